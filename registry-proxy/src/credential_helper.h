#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "docker_config.h"

namespace samara::registry_proxy {

/// Runs `docker-credential-<helper> get` from $PATH, without a shell, and gives what it prints; nullopt when it knows
/// no credential for `server`. It is killed, with what it started, when it takes longer than `limit` or prints more than
/// 64 KiB; what it writes to stderr is dropped.
/// Errors: NotFound (no such program), DeadlineExceeded, FailedPrecondition (it failed), InvalidArgument (it printed
/// something else). None holds anything that it printed.
/// Source: docker/docker-credential-helpers, README ("get" reads the server from stdin).
/// Threads: any; blocks.
absl::StatusOr<std::optional<Credential>> run_credential_helper(const std::string& helper, const std::string& server,
                                                                std::chrono::milliseconds limit);

}  // namespace samara::registry_proxy
