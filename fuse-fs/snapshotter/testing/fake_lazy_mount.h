#pragma once

#include <map>
#include <mutex>
#include <string>

#include "base/text.h"
#include "fuse_fs/lazy_mount.h"

namespace samara::snapshotter {

/// Remembers what is attached; mounts nothing.
class FakeLazyMount final : public fuse_fs::LazyMount {
 public:
  explicit FakeLazyMount(std::string mountpoint = "/lazy") : mountpoint_(std::move(mountpoint)) {}

  std::map<std::uint32_t, peer::LayerIndex> attached() const {
    const std::lock_guard lock(mutex_);
    return attached_;
  }
  void answer_attach_with(absl::Status status) {
    const std::lock_guard lock(mutex_);
    attach_status_ = std::move(status);
  }

  absl::Status serve() override { return absl::OkStatus(); }
  absl::StatusOr<std::string> attach(std::uint32_t slot, peer::LayerIndex layer) override {
    const std::lock_guard lock(mutex_);
    if (!attach_status_.ok()) return attach_status_;
    attached_[slot] = std::move(layer);
    return path(slot);
  }
  absl::Status detach(std::uint32_t slot) override {
    const std::lock_guard lock(mutex_);
    return attached_.erase(slot) == 1 ? absl::OkStatus() : absl::NotFoundError("not attached");
  }
  std::string path(std::uint32_t slot) const override { return str_cat(mountpoint_, "/", slot); }
  std::vector<fuse_fs::SlowRead> slow_reads() const override {
    const std::lock_guard lock(mutex_);
    return slow_reads_;
  }
  Waiting waiting() const override { return {}; }
  void was_slow(fuse_fs::SlowRead read) {
    const std::lock_guard lock(mutex_);
    slow_reads_.push_back(std::move(read));
  }

 private:
  const std::string mountpoint_;
  mutable std::mutex mutex_;
  std::map<std::uint32_t, peer::LayerIndex> attached_;
  absl::Status attach_status_;
  std::vector<fuse_fs::SlowRead> slow_reads_;
};

}  // namespace samara::snapshotter
