#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "seed/job.h"

/// A job as a row; proto/samara/seed/v1/seed_rows.proto is its form.
namespace samara::seed {

inline constexpr std::string_view kJobsTable = "warm_jobs";

std::string encode_job(const Job& job);
/// DataLoss for what isn't one.
absl::StatusOr<Job> decode_job(std::string_view id, std::string_view row);

}  // namespace samara::seed
