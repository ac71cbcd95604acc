#include "fuse_fs/lazy_mount.h"

#include <map>
#include <mutex>
#include <utility>

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "connection.h"
#include "dying_thread.h"
#include "interrupt_watcher.h"
#include "mount_metrics.h"
#include "node_id.h"

namespace samara::fuse_fs {
namespace {

constexpr char kPlain[] = "samara-plain";
constexpr char kWithXattrs[] = "samara-xattrs";

Connection::Options connection_options(const LazyMount::Options& options, Xattrs xattrs) {
  return {.mountpoint = xattrs == Xattrs::kAbsent ? options.mountpoint : str_cat(options.mountpoint, "/", kXattrsName),
          .threads = options.threads,
          .allow_other = options.allow_other,
          .xattrs = xattrs,
          .name = xattrs == Xattrs::kAbsent ? kPlain : kWithXattrs,
          .keeper = options.keeper,
          .records = options.records,
          .watcher = options.watcher,
          .preloader = options.preloader};
}

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
    if (options_.keeper != nullptr) resume(options_.keeper->kept());
    if (plain_ != nullptr) return absl::OkStatus();
    SAMARA_ASSIGN_OR_RETURN(plain_, Connection::create(connection_options(options_, Xattrs::kAbsent), parts()));
    return absl::OkStatus();
  }

  absl::Status serve() override {
    const std::lock_guard lock(mutex_);
    plain_->serve();
    if (with_xattrs_ != nullptr) with_xattrs_->serve();
    for (auto& [slot, layer] : std::exchange(waiting_, {})) {
      SAMARA_RETURN_IF_ERROR(attach_locked(slot, std::move(layer)).status());
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> attach(std::uint32_t slot, peer::LayerIndex layer) override {
    const std::lock_guard lock(mutex_);
    return attach_locked(slot, std::move(layer));
  }

  absl::Status detach(std::uint32_t slot) override {
    const std::lock_guard lock(mutex_);
    if (waiting_.erase(slot) != 0) return absl::OkStatus();
    SAMARA_RETURN_IF_ERROR(connection_of(slot).detach(slot));
    count_layers();
    return absl::OkStatus();
  }

  std::string path(std::uint32_t slot) const override {
    const std::lock_guard lock(mutex_);
    if (waiting_.contains(slot)) return path_with_xattrs(slot);
    return path_in(connection_of(slot), slot);
  }

  std::vector<SlowRead> slow_reads() const override { return slow_.all(); }

  Waiting waiting() const override {
    const std::lock_guard lock(mutex_);
    Waiting waiting;
    for (const Connection* connection : {plain_.get(), with_xattrs_.get()}) {
      if (connection == nullptr) continue;
      waiting.reads += connection->reads().waiting();
      waiting.hung += connection->reads().waiting_for(kHung);
    }
    return waiting;
  }

 private:
  Connection::Parts parts() { return {.chunks = reader_, .interrupts = interrupts_, .metrics = metrics_, .slow = slow_}; }

  /// What can't be taken over is let go of, which ends it; a new mount takes its place.
  void resume(std::map<std::string, Fd> kept) {
    plain_ = resume_one(kept, Xattrs::kAbsent);
    if (plain_ == nullptr) kept.erase(kWithXattrs);
    with_xattrs_ = resume_one(kept, Xattrs::kAnswered);
  }

  std::unique_ptr<Connection> resume_one(std::map<std::string, Fd>& kept, Xattrs xattrs) {
    const Connection::Options options = connection_options(options_, xattrs);
    const auto found = kept.find(options.name);
    absl::Status status = absl::NotFoundError("nothing was kept");
    if (found != kept.end()) {
      auto resumed = Connection::resume(options, std::move(found->second), parts());
      if (resumed.ok()) {
        log::info("took over the mount", {{"name", options.name}, {"mountpoint", (*resumed)->mountpoint()}});
        return *std::move(resumed);
      }
      status = resumed.status();
      log::error("the mount can't be taken over: containers that use it lose it",
                 {{"name", options.name}, {"error", status}});
    }
    const absl::Status forgotten = options_.keeper->forget(options.name);
    if (!forgotten.ok()) log::warning("a kept connection stays", {{"name", options.name}, {"error", forgotten}});
    return nullptr;
  }

  absl::StatusOr<std::string> attach_locked(std::uint32_t slot, peer::LayerIndex layer) {
    const bool has_xattrs = layer->has_xattrs();
    const Connection* const other = has_xattrs ? plain_.get() : with_xattrs_.get();
    if (other != nullptr && other->slots().has_named(slot)) {
      return absl::AlreadyExistsError(str_cat("slot ", slot, " is another layer"));
    }
    if (has_xattrs && with_xattrs_ == nullptr) {
      if (!plain_->serving()) {  // it must answer before anything can be mounted in it
        waiting_[slot] = std::move(layer);
        return path_with_xattrs(slot);
      }
      Options below = options_;
      below.mountpoint = plain_->mountpoint();
      SAMARA_ASSIGN_OR_RETURN(with_xattrs_,
                              Connection::create(connection_options(below, Xattrs::kAnswered), parts()));
    }
    Connection& connection = has_xattrs ? *with_xattrs_ : *plain_;
    SAMARA_RETURN_IF_ERROR(connection.attach(slot, std::move(layer)));
    count_layers();
    return path_in(connection, slot);
  }

  Connection& connection_of(std::uint32_t slot) const {
    return with_xattrs_ != nullptr && with_xattrs_->slots().has_named(slot) ? *with_xattrs_ : *plain_;
  }

  static std::string path_in(const Connection& connection, std::uint32_t slot) {
    return str_cat(connection.mountpoint(), "/", slot);
  }
  std::string path_with_xattrs(std::uint32_t slot) const {
    return str_cat(plain_->mountpoint(), "/", kXattrsName, "/", slot);
  }

  void count_layers() {
    const std::uint64_t with = with_xattrs_ == nullptr ? 0 : with_xattrs_->slots().totals().slots;
    metrics_.attached_layers().set(static_cast<double>(plain_->slots().totals().slots + with));
  }

  const Options options_;
  peer::ChunkReader& reader_;
  MountMetrics metrics_;
  SlowReads slow_;
  InterruptWatcher interrupts_;
  mutable std::mutex mutex_;
  std::unique_ptr<Connection> plain_;
  std::unique_ptr<Connection> with_xattrs_;
  std::map<std::uint32_t, peer::LayerIndex> waiting_;  // with attributes, until there is a mount for them
};

}  // namespace

absl::StatusOr<std::unique_ptr<LazyMount>> LazyMount::create(const Options& options, peer::ChunkReader& reader,
                                                             Metrics& metrics) {
  auto mount = std::make_unique<TwoConnections>(options, reader, metrics);
  SAMARA_RETURN_IF_ERROR(mount->start());
  return mount;
}

absl::Status unmount_kept(const LazyMount::Options& options) {
  std::map<std::string, Fd> kept;
  if (options.keeper != nullptr) kept = options.keeper->kept();
  // The outer one first: nobody answers for it, so there is no way to the one inside, which comes off with it.
  for (const Xattrs xattrs : {Xattrs::kAbsent, Xattrs::kAnswered}) {
    const Connection::Options connection = connection_options(options, xattrs);
    SAMARA_RETURN_IF_ERROR(Connection::unmount(connection, std::move(kept[connection.name])));
  }
  return absl::OkStatus();
}

}  // namespace samara::fuse_fs
