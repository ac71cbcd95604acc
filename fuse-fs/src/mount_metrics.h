#pragma once

#include <array>
#include <chrono>
#include <cstddef>

#include "base/metrics.h"
#include "read_operation.h"

namespace samara::fuse_fs {

/// What the kernel asks for.
enum class Operation {
  kLookup, kForget, kGetattr, kReadlink, kOpen, kRead, kOpendir, kReaddir, kGetxattr, kListxattr, kStatfs, kInterrupt,
};
inline constexpr std::size_t kOperations = 12;

/// What the mount counts:
///   samara_fuse_operations_total{op}   requests by kind
///   samara_fuse_seconds{class}         what answering takes of a request about names, directories, xattrs, the mount
///   samara_fuse_read_seconds           from a read's arrival to its answer
///   samara_fuse_read_bytes_total       answered
///   samara_fuse_read_stalls_total      reads that took longer than 100 ms
///   samara_fuse_read_errors_total      reads answered with an error, interrupts aside
///   samara_fuse_stored_bytes_total     put into the page cache unasked
///   samara_fuse_attached_layers
///   samara_fuse_takeovers_total        connections taken over from an earlier process
/// Threads: any.
class MountMetrics {
 public:
  explicit MountMetrics(Metrics& metrics);

  void count(Operation operation) { operations_[static_cast<std::size_t>(operation)]->add(); }
  void answered(Operation operation, std::chrono::steady_clock::duration took);
  void count(const ReadOperation::Outcome& outcome);
  Metrics::Counter& stored_bytes() { return stored_bytes_; }
  Metrics::Gauge& attached_layers() { return attached_layers_; }
  Metrics::Counter& takeovers() { return takeovers_; }

 private:
  std::array<Metrics::Counter*, kOperations> operations_;
  std::array<Metrics::Histogram*, kOperations> seconds_{};  // null for those that aren't measured here
  Metrics::Histogram& read_seconds_;
  Metrics::Counter& read_bytes_;
  Metrics::Counter& read_stalls_;
  Metrics::Counter& read_errors_;
  Metrics::Counter& stored_bytes_;
  Metrics::Gauge& attached_layers_;
  Metrics::Counter& takeovers_;
};

}  // namespace samara::fuse_fs
