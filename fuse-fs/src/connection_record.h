#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "agreement.h"

namespace samara::fuse_fs {

/// What must be known of a connection to take it over, kept in a file.
struct ConnectionRecord {
  std::string mountpoint;  ///< canonical
  std::string device;      ///< "major:minor" of the filesystem
  Agreement agreement;
};

/// The file: TOML, keys `version` (1), `mountpoint`, `device`, `request` and `reply` (bytes in hexadecimal).
absl::Status save(const ConnectionRecord& record, const std::string& path);
/// NotFound; InvalidArgument when it isn't what save() writes.
absl::StatusOr<ConnectionRecord> load_connection_record(const std::string& path);

}  // namespace samara::fuse_fs
