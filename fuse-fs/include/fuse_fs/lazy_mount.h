#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/metrics.h"
#include "fuse_fs/connection_keeper.h"
#include "fuse_fs/file_watcher.h"
#include "fuse_fs/preloader.h"
#include "fuse_fs/slow_read.h"
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
    ConnectionKeeper* keeper = nullptr;  ///< borrowed; null: the mount ends with the object
    std::string records{};               ///< with a keeper: a directory for what the next process has to know
    FileWatcher* watcher = nullptr;      ///< borrowed; may be null
    const Preloader* preloader = nullptr;  ///< borrowed; may be null: whose reads nobody waits for (class trace)
  };
  /// Errors: PermissionDenied or NotFound (no /dev/fuse), AlreadyExists (something else is mounted there).
  /// `reader` and `metrics` are borrowed.
  static absl::StatusOr<std::unique_ptr<LazyMount>> create(const Options& options, peer::ChunkReader& reader,
                                                           Metrics& metrics);
  /// Unmounts (lazily where containers still use it); with a keeper everything stays as it is, and what is read waits
  /// for the next process.
  virtual ~LazyMount() = default;

  /// Begins to answer for a mount that an earlier process left: call it when every layer is attached again that
  /// containers use. Until then whoever reads waits. (A new mount answers at once.)
  virtual absl::Status serve() = 0;

  /// Makes the layer appear; returns its path. A slot names the same layer for ever: attaching another is
  /// AlreadyExists; the same again is fine.
  virtual absl::StatusOr<std::string> attach(std::uint32_t slot, peer::LayerIndex layer) = 0;
  /// The layer's directory is gone; open files go on until closed. NotFound.
  virtual absl::Status detach(std::uint32_t slot) = 0;
  /// Where the slot's layer is, or was; for a slot that never had one, where most would be.
  virtual std::string path(std::uint32_t slot) const = 0;

  /// The last reads that took 5 ms or more, the oldest first.
  virtual std::vector<SlowRead> slow_reads() const = 0;
  struct Waiting {
    std::size_t reads = 0;  ///< that wait for bytes now
    std::size_t hung = 0;   ///< those of them that have for kHung
  };
  static constexpr std::chrono::seconds kHung{10};
  virtual Waiting waiting() const = 0;
};

/// Ends the mounts that a process with these options left with its keeper. FailedPrecondition while it runs.
absl::Status unmount_kept(const LazyMount::Options& options);

}  // namespace samara::fuse_fs
