#pragma once

#include "seed.pb.h"
#include "seed/fleet.h"
#include "seed/jobs.h"

/// What the seed knows, as its API says it.
namespace samara::seed {

enum class Items { kNo, kYes };
void set_job(const Job& job, const Jobs& jobs, Items items, seed::v1::Job* out);
void set_node(const std::string& name, const Fleet::Node& node, const Fleet& fleet, Time now, seed::v1::Node* out);
void set_sites(const Fleet& fleet, std::string_view version, Time now, seed::v1::SitesResponse* out);
/// InvalidArgument.
absl::StatusOr<WarmSpec> spec_of(const seed::v1::WarmRequest& request);

}  // namespace samara::seed
