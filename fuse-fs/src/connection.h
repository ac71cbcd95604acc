#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "fuse_fs/connection_keeper.h"
#include "fuse_fs/file_watcher.h"
#include "fuse_fs/preloader.h"
#include "interrupt_watcher.h"
#include "kernel_mount.h"
#include "mount_metrics.h"
#include "operations.h"
#include "page_filler.h"
#include "read_service.h"
#include "session.h"
#include "slot_table.h"

namespace samara::fuse_fs {

/// One FUSE mount with its session and its slots. With a keeper it outlives the process: then it is taken over by the
/// next one, and nobody who reads from it sees more than a pause.
/// Threads: any.
class Connection {
 public:
  struct Options {
    std::string mountpoint;
    std::size_t threads = 2;
    bool allow_other = true;
    Xattrs xattrs = Xattrs::kAnswered;
    std::string name;                    ///< among the keeper's connections and in `records`
    ConnectionKeeper* keeper = nullptr;  ///< null: the mount ends with the object
    std::string records;                 ///< directory for what the next process has to know
    FileWatcher* watcher = nullptr;
    const Preloader* preloader = nullptr;
  };
  struct Parts {
    peer::ChunkReader& chunks;
    InterruptWatcher& interrupts;
    MountMetrics& metrics;
    SlowReads& slow;
  };
  /// Mounts, and serves at once. What is borrowed outlives the connection. Errors: those of mount_fuse(); Unavailable
  /// (no agreement with the kernel).
  static absl::StatusOr<std::unique_ptr<Connection>> create(const Options& options, const Parts& parts);
  /// Takes over what the keeper had: every request waits until serve(), before which the layers are attached again.
  /// Errors: NotFound (no record), FailedPrecondition (no longer mounted, or the connection has ended), Unavailable.
  static absl::StatusOr<std::unique_ptr<Connection>> resume(const Options& options, Fd fuse, const Parts& parts);
  /// Leaves mount and requests to the next process if a keeper has the connection; else unmounts and answers the reads
  /// under way with an error. Joins the threads.
  ~Connection();
  Connection(const Connection&) = delete;

  /// Begins to answer; once more does nothing.
  void serve();
  bool serving() const { return serving_; }

  absl::Status attach(std::uint32_t slot, peer::LayerIndex layer);
  absl::Status detach(std::uint32_t slot);
  const ReadService& reads() const { return reads_; }
  const SlotTable& slots() const { return slots_; }
  const std::string& mountpoint() const { return mount_.mountpoint; }

  /// Takes the mount of a dead process off and forgets its connection. FailedPrecondition when somebody serves it.
  static absl::Status unmount(const Options& options, Fd fuse);

 private:
  Connection(const Options& options, const Parts& parts);
  absl::Status mount();
  absl::Status take_over(Fd fuse);
  void prepare();
  absl::Status give_to_keeper();
  void hand_over();
  void end();
  void store(std::uint64_t node, std::uint64_t offset, std::string_view bytes);

  const Options options_;
  MountMetrics& metrics_;
  SlotTable slots_;
  PageFiller pages_;
  ReadService reads_;
  MountState state_;
  KernelMount mount_;
  std::unique_ptr<Session> session_;
  std::atomic<bool> serving_{false};
  bool kept_ = false;  // by the keeper
};

}  // namespace samara::fuse_fs
