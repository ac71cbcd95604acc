#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "snapshotter/disk_usage.h"

namespace samara::snapshotter {

/// The files of ordinary snapshots: <root>/<id>/fs is what containerd mounts or writes to, <root>/<id>/work is
/// overlayfs' scratch directory. Paths are short, because all lower directories of a mount go in one page.
///
/// Errors: Internal, whatever the disk answers, so that no errno can be mistaken for an answer of the snapshots API.
/// Threads: any; different ids at once.
class SnapshotDirectories {
 public:
  /// Makes `root`. InvalidArgument when overlayfs can't take its path (':', ',' or '\').
  static absl::StatusOr<SnapshotDirectories> open(std::string root);

  std::string files(std::uint64_t id) const;
  std::string work(std::uint64_t id) const;

  /// Makes both directories: files 0755 owned by uid:gid, work 0711. Leaves nothing behind on failure.
  absl::Status create(std::uint64_t id, uid_t uid, gid_t gid) const;
  /// Removes them; nothing to remove is fine.
  absl::Status remove(std::uint64_t id) const;
  absl::StatusOr<std::vector<std::uint64_t>> ids() const;
  absl::StatusOr<DiskUsage> usage(std::uint64_t id) const;

  struct Owner {
    uid_t uid = 0;
    gid_t gid = 0;
  };
  /// Of the topmost directory.
  absl::StatusOr<Owner> owner(std::uint64_t id) const;

 private:
  explicit SnapshotDirectories(std::string root) : root_(std::move(root)) {}
  std::string directory(std::uint64_t id) const;

  std::string root_;
};

}  // namespace samara::snapshotter
