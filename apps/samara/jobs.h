#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "seed.pb.h"
#include "seed_client.h"

namespace samara::cli {

enum class Progress { kShow, kJsonLines, kNone };

/// Waits until the job is over, showing how far it is; a seed that is away is waited for, for two minutes. The job as it
/// ended, with its items.
absl::StatusOr<seed::v1::Job> watch_job(const SeedAddress& seed, const std::string& id, Progress progress);

/// 0 when every chosen node has verified what was asked (or, of a plan, when all of it could be); else 1.
int exit_code_of(const seed::v1::Job& job);

}  // namespace samara::cli
