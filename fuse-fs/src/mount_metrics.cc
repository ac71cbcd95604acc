#include "mount_metrics.h"

#include <chrono>

namespace samara::fuse_fs {
namespace {

constexpr std::array<const char*, kOperations> kNames = {
    "lookup", "forget", "getattr", "readlink", "open",   "read",
    "opendir", "readdir", "getxattr", "listxattr", "statfs", "interrupt"};
// In whose histogram; reads have one of their own, from arrival to answer.
constexpr std::array<const char*, kOperations> kClasses = {
    "names", "names", "names", "names", "names", nullptr, "directories", "directories", "xattrs", "xattrs", "mount", nullptr};
constexpr std::chrono::milliseconds kStall{100};

}  // namespace

MountMetrics::MountMetrics(Metrics& metrics)
    : read_seconds_(metrics.histogram("samara_fuse_read_seconds", "From a read's arrival to its answer.",
                                      {0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100})),
      read_bytes_(metrics.counter("samara_fuse_read_bytes_total", "Bytes that reads were answered with.")),
      read_stalls_(metrics.counter("samara_fuse_read_stalls_total", "Reads that took longer than 100 ms.")),
      read_errors_(metrics.counter("samara_fuse_read_errors_total", "Reads answered with an error.")),
      stored_bytes_(metrics.counter("samara_fuse_stored_bytes_total", "Bytes put into the page cache unasked.")),
      attached_layers_(metrics.gauge("samara_fuse_attached_layers", "Layers in the mount.")),
      takeovers_(metrics.counter("samara_fuse_takeovers_total", "Connections taken over from an earlier process.")) {
  for (std::size_t i = 0; i < kOperations; ++i) {
    operations_[i] = &metrics.counter("samara_fuse_operations_total", "Requests of the kernel.", {{"op", kNames[i]}});
    if (kClasses[i] == nullptr) continue;
    seconds_[i] = &metrics.histogram("samara_fuse_seconds", "What answering a request takes, by class.",
                                     {0.00001, 0.00003, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.1}, {{"class", kClasses[i]}});
  }
}

void MountMetrics::answered(Operation operation, std::chrono::steady_clock::duration took) {
  const auto i = static_cast<std::size_t>(operation);
  if (seconds_[i] != nullptr) seconds_[i]->observe(std::chrono::duration<double>(took).count());
}

void MountMetrics::count(const ReadOperation::Outcome& outcome) {
  read_seconds_.observe(std::chrono::duration<double>(outcome.took).count());
  read_bytes_.add(static_cast<double>(outcome.bytes));
  if (outcome.took > kStall) read_stalls_.add();
  if (!outcome.status.ok() && !absl::IsCancelled(outcome.status)) read_errors_.add();
}

}  // namespace samara::fuse_fs
