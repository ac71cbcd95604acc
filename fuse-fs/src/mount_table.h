#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace samara::fuse_fs {

/// One line of /proc/self/mountinfo, as far as we need it.
struct MountEntry {
  std::string device;      ///< "major:minor" of the filesystem
  std::string mountpoint;  ///< absolute, unescaped
  std::string type;        ///< "fuse.samara"
};

/// Reads mountinfo text; lines that aren't of its shape are left out.
/// Source: proc(5), /proc/pid/mountinfo.
std::vector<MountEntry> parse_mount_table(std::string_view mountinfo);

/// What is mounted at `mountpoint` (canonical), on top if there are several; nullopt when nothing is. Read from /proc:
/// a question to the mount itself might be one to ourselves.
absl::StatusOr<std::optional<MountEntry>> mounted_at(const std::string& mountpoint);

}  // namespace samara::fuse_fs
