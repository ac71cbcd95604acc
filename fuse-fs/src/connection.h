#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "interrupt_watcher.h"
#include "kernel_mount.h"
#include "mount_metrics.h"
#include "operations.h"
#include "page_filler.h"
#include "read_service.h"
#include "session.h"
#include "slot_table.h"

namespace samara::fuse_fs {

/// One FUSE mount with its session and its slots.
/// Threads: any.
class Connection {
 public:
  struct Options {
    std::string mountpoint;
    std::size_t threads = 2;
    bool allow_other = true;
    Xattrs xattrs = Xattrs::kAnswered;
  };
  /// What is borrowed outlives the connection. Errors: those of mount_fuse(); Unavailable (no agreement with the
  /// kernel).
  static absl::StatusOr<std::unique_ptr<Connection>> create(const Options& options, peer::ChunkReader& chunks,
                                                            InterruptWatcher& interrupts, MountMetrics& metrics);
  /// Unmounts, answers the reads under way with an error and joins the threads.
  ~Connection();
  Connection(const Connection&) = delete;

  absl::Status attach(std::uint32_t slot, peer::LayerIndex layer) { return slots_.attach(slot, std::move(layer)); }
  absl::Status detach(std::uint32_t slot);
  const SlotTable& slots() const { return slots_; }
  const std::string& mountpoint() const { return mount_.mountpoint; }

 private:
  Connection(Xattrs xattrs, peer::ChunkReader& chunks, InterruptWatcher& interrupts, MountMetrics& metrics);
  absl::Status start(const Options& options);
  void store(std::uint64_t node, std::uint64_t offset, std::string_view bytes);

  MountMetrics& metrics_;
  SlotTable slots_;
  PageFiller pages_;
  ReadService reads_;
  MountState state_;
  KernelMount mount_;
  std::unique_ptr<Session> session_;
};

}  // namespace samara::fuse_fs
