#include "fuse_fs/lazy_mount.h"

#include <cerrno>
#include <utility>

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "dying_thread.h"
#include "interrupt_watcher.h"
#include "kernel_mount.h"
#include "mount_metrics.h"
#include "node_id.h"
#include "operations.h"
#include "page_filler.h"
#include "read_service.h"
#include "session.h"
#include "slot_table.h"

namespace samara::fuse_fs {
namespace {

constexpr unsigned kReadAheadKilobytes = 1024;

class KernelLazyMount final : public LazyMount {
 public:
  KernelLazyMount(peer::ChunkReader& reader, Metrics& metrics)
      : metrics_(metrics),
        pages_([this](auto node, auto offset, auto bytes) { store(node, offset, bytes); }),
        reads_(reader, pages_, metrics_),
        interrupts_(is_dying),
        state_{.slots = slots_, .reads = reads_, .interrupts = interrupts_, .metrics = metrics_} {}

  ~KernelLazyMount() override {
    if (session_ != nullptr) session_->leave();
    if (mount_.fuse.valid()) unmount_and_abort(mount_);
    if (session_ != nullptr) session_->join();
    reads_.drain(ENODEV);
    pages_.stop();
    session_ = nullptr;  // which answers and pages still needed
  }

  absl::Status start(const Options& options) {
    SAMARA_ASSIGN_OR_RETURN(mount_, mount_fuse(options.mountpoint, options.allow_other));
    SAMARA_ASSIGN_OR_RETURN(session_, Session::create(mount_.fuse.get(), operations(), &state_, options.threads));
    SAMARA_RETURN_IF_ERROR(session_->wait_until_ready());
    const absl::Status set = set_read_ahead(mount_, kReadAheadKilobytes);
    if (!set.ok()) log::warning("the kernel reads only 128 KiB ahead", {{"error", set}});
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> attach(std::uint32_t slot, peer::LayerIndex layer) override {
    SAMARA_RETURN_IF_ERROR(slots_.attach(slot, std::move(layer)));
    metrics_.attached_layers().set(static_cast<double>(slots_.totals().slots));
    return path(slot);
  }

  absl::Status detach(std::uint32_t slot) override {
    SAMARA_RETURN_IF_ERROR(slots_.detach(slot));
    metrics_.attached_layers().set(static_cast<double>(slots_.totals().slots));
    // The name is asked for at each use, so this only frees memory sooner; it fails when the kernel doesn't know it.
    const std::string name = std::to_string(slot);
    fuse_lowlevel_notify_inval_entry(session_->get(), kMountRoot, name.data(), name.size());
    return absl::OkStatus();
  }

  std::string path(std::uint32_t slot) const override { return str_cat(mount_.mountpoint, "/", slot); }

 private:
  /// Fails where the kernel has forgotten the file, which is fine.
  void store(std::uint64_t node, std::uint64_t offset, std::string_view bytes) {
    fuse_bufvec buffer = FUSE_BUFVEC_INIT(bytes.size());
    buffer.buf[0].mem = const_cast<char*>(bytes.data());
    const int result = fuse_lowlevel_notify_store(session_->get(), node, static_cast<off_t>(offset), &buffer,
                                                  FUSE_BUF_NO_SPLICE);
    if (result == 0) metrics_.stored_bytes().add(static_cast<double>(bytes.size()));
  }

  SlotTable slots_;
  MountMetrics metrics_;
  PageFiller pages_;
  ReadService reads_;
  InterruptWatcher interrupts_;
  MountState state_;
  KernelMount mount_;
  std::unique_ptr<Session> session_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<LazyMount>> LazyMount::create(const Options& options, peer::ChunkReader& reader,
                                                             Metrics& metrics) {
  auto mount = std::make_unique<KernelLazyMount>(reader, metrics);
  SAMARA_RETURN_IF_ERROR(mount->start(options));
  return mount;
}

}  // namespace samara::fuse_fs
