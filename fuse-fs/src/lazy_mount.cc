#include "fuse_fs/lazy_mount.h"

#include <mutex>
#include <utility>

#include "base/status.h"
#include "base/text.h"
#include "connection.h"
#include "dying_thread.h"
#include "interrupt_watcher.h"
#include "mount_metrics.h"
#include "node_id.h"

namespace samara::fuse_fs {
namespace {

/// Two connections. Overlayfs asks for an extended attribute of every file that it meets, the kernel remembers no
/// answer, and "there are none" (ENOSYS) holds for a whole connection. So layers without any, which most are, have the
/// connection that says so, and those with some have another, mounted in the first one's directory `x` when the first
/// such layer comes.
class TwoConnections final : public LazyMount {
 public:
  TwoConnections(const Options& options, peer::ChunkReader& reader, Metrics& metrics)
      : options_(options), reader_(reader), metrics_(metrics), interrupts_(is_dying) {}

  ~TwoConnections() override {
    with_xattrs_ = nullptr;  // mounted inside the other
    plain_ = nullptr;
  }

  absl::Status start() {
    SAMARA_ASSIGN_OR_RETURN(plain_, connect(options_.mountpoint, Xattrs::kAbsent));
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> attach(std::uint32_t slot, peer::LayerIndex layer) override {
    const std::lock_guard lock(mutex_);
    const bool has_xattrs = layer->has_xattrs();
    const Connection* const other = has_xattrs ? plain_.get() : with_xattrs_.get();
    if (other != nullptr && other->slots().has_named(slot)) {
      return absl::AlreadyExistsError(str_cat("slot ", slot, " is another layer"));
    }
    if (has_xattrs && with_xattrs_ == nullptr) {
      const std::string mountpoint = str_cat(plain_->mountpoint(), "/", kXattrsName);
      SAMARA_ASSIGN_OR_RETURN(with_xattrs_, connect(mountpoint, Xattrs::kAnswered));
    }
    Connection& connection = has_xattrs ? *with_xattrs_ : *plain_;
    SAMARA_RETURN_IF_ERROR(connection.attach(slot, std::move(layer)));
    count_layers();
    return path_in(connection, slot);
  }

  absl::Status detach(std::uint32_t slot) override {
    const std::lock_guard lock(mutex_);
    SAMARA_RETURN_IF_ERROR(connection_of(slot).detach(slot));
    count_layers();
    return absl::OkStatus();
  }

  std::string path(std::uint32_t slot) const override {
    const std::lock_guard lock(mutex_);
    return path_in(connection_of(slot), slot);
  }

 private:
  absl::StatusOr<std::unique_ptr<Connection>> connect(const std::string& mountpoint, Xattrs xattrs) {
    return Connection::create({.mountpoint = mountpoint,
                               .threads = options_.threads,
                               .allow_other = options_.allow_other,
                               .xattrs = xattrs},
                              reader_, interrupts_, metrics_);
  }

  Connection& connection_of(std::uint32_t slot) const {
    return with_xattrs_ != nullptr && with_xattrs_->slots().has_named(slot) ? *with_xattrs_ : *plain_;
  }

  static std::string path_in(const Connection& connection, std::uint32_t slot) {
    return str_cat(connection.mountpoint(), "/", slot);
  }

  void count_layers() {
    const std::uint64_t with = with_xattrs_ == nullptr ? 0 : with_xattrs_->slots().totals().slots;
    metrics_.attached_layers().set(static_cast<double>(plain_->slots().totals().slots + with));
  }

  const Options options_;
  peer::ChunkReader& reader_;
  MountMetrics metrics_;
  InterruptWatcher interrupts_;
  mutable std::mutex mutex_;
  std::unique_ptr<Connection> plain_;
  std::unique_ptr<Connection> with_xattrs_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<LazyMount>> LazyMount::create(const Options& options, peer::ChunkReader& reader,
                                                             Metrics& metrics) {
  auto mount = std::make_unique<TwoConnections>(options, reader, metrics);
  SAMARA_RETURN_IF_ERROR(mount->start());
  return mount;
}

}  // namespace samara::fuse_fs
