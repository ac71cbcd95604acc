#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/file.h"

namespace samara::fuse_fs {

/// Connects to the holder at `path`, which may be longer than a socket's address has room for.
/// NotFound when nobody listens there.
absl::StatusOr<Fd> connect_to_holder(const std::string& path);

/// Puts a listening socket at `path`, in place of what a dead holder left, and starts `command` with it as descriptor
/// kHolderSocket and with nothing else of ours: a session of its own, no other descriptor, no blocked signal.
absl::Status start_holder(const std::string& path, const std::vector<std::string>& command);

}  // namespace samara::fuse_fs
