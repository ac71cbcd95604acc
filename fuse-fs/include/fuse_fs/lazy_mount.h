#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/metrics.h"
#include "peer/chunk_reader.h"

namespace samara::fuse_fs {

/// The node's one FUSE mount: every attached layer is the directory path(slot), read-only, its file contents fetched
/// chunk by chunk as they are read.
///
/// That directory is <mountpoint>/<slot>; for layers with extended attributes <mountpoint>/x/<slot>, which is a mount
/// of its own that comes with the first of them: so the kernel need not ask for the attributes of all the others.
/// nodeid = (slot + 1) << 32 | inode, deterministic, so that the page cache is shared by every container and a
/// restarted daemon gives the same numbers. Immutable: infinite time-outs, ENOSYS to open and opendir, readahead 1 MiB. Reads
/// that miss are answered from another thread: no FUSE thread ever waits for the network.
/// Threads: any; FUSE requests are served on threads of its own.
class LazyMount {
 public:
  struct Options {
    std::string mountpoint;  ///< made if missing; a dead mount left there is taken off first
    std::size_t threads = 2;
    bool allow_other = true;
  };
  /// Errors: PermissionDenied or NotFound (no /dev/fuse), AlreadyExists (something else is mounted there).
  /// `reader` and `metrics` are borrowed.
  static absl::StatusOr<std::unique_ptr<LazyMount>> create(const Options& options, peer::ChunkReader& reader,
                                                           Metrics& metrics);
  virtual ~LazyMount() = default;  ///< unmounts (lazily where containers still use it)

  /// Makes the layer appear; returns its path. A slot names the same layer for ever: attaching another is
  /// AlreadyExists; the same again is fine.
  virtual absl::StatusOr<std::string> attach(std::uint32_t slot, peer::LayerIndex layer) = 0;
  /// The layer's directory is gone; open files go on until closed. NotFound.
  virtual absl::Status detach(std::uint32_t slot) = 0;
  /// Where the slot's layer is, or was; for a slot that never had one, where most would be.
  virtual std::string path(std::uint32_t slot) const = 0;
};

}  // namespace samara::fuse_fs
