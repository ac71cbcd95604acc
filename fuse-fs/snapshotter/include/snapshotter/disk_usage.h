#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace samara::snapshotter {

struct DiskUsage {
  std::uint64_t bytes = 0;  ///< blocks really used
  std::uint64_t inodes = 0;

  bool operator==(const DiskUsage&) const = default;
};

/// What the tree at `path` takes: links to one file count once, other file systems don't. What vanishes meanwhile is
/// left out. NotFound when `path` isn't there.
absl::StatusOr<DiskUsage> disk_usage(const std::string& path);

}  // namespace samara::snapshotter
