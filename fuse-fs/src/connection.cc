#include "connection.h"

#include <cerrno>
#include <utility>

#include "base/log.h"
#include "base/status.h"
#include "node_id.h"

namespace samara::fuse_fs {
namespace {

constexpr unsigned kReadAheadKilobytes = 1024;

}  // namespace

Connection::Connection(Xattrs xattrs, peer::ChunkReader& chunks, InterruptWatcher& interrupts, MountMetrics& metrics)
    : metrics_(metrics),
      pages_([this](auto node, auto offset, auto bytes) { store(node, offset, bytes); }),
      reads_(chunks, pages_, metrics_),
      state_{.slots = slots_, .reads = reads_, .interrupts = interrupts, .metrics = metrics_, .xattrs = xattrs} {}

absl::StatusOr<std::unique_ptr<Connection>> Connection::create(const Options& options, peer::ChunkReader& chunks,
                                                               InterruptWatcher& interrupts, MountMetrics& metrics) {
  std::unique_ptr<Connection> connection(new Connection(options.xattrs, chunks, interrupts, metrics));
  SAMARA_RETURN_IF_ERROR(connection->start(options));
  return connection;
}

absl::Status Connection::start(const Options& options) {
  SAMARA_ASSIGN_OR_RETURN(mount_, mount_fuse(options.mountpoint, options.allow_other));
  SAMARA_ASSIGN_OR_RETURN(session_, Session::create(mount_.fuse.get(), operations(), &state_, options.threads));
  SAMARA_RETURN_IF_ERROR(session_->wait_until_ready());
  const absl::Status set = set_read_ahead(mount_, kReadAheadKilobytes);
  if (!set.ok()) log::warning("the kernel reads only 128 KiB ahead", {{"error", set}});
  return absl::OkStatus();
}

Connection::~Connection() {
  if (session_ != nullptr) session_->leave();
  if (mount_.fuse.valid()) unmount_and_abort(mount_);
  if (session_ != nullptr) session_->join();
  reads_.drain(ENODEV);
  pages_.stop();
  session_ = nullptr;  // which answers and pages still needed
}

absl::Status Connection::detach(std::uint32_t slot) {
  SAMARA_RETURN_IF_ERROR(slots_.detach(slot));
  // The name is asked for at each use, so this only frees memory sooner; it fails when the kernel doesn't know it.
  const std::string name = std::to_string(slot);
  fuse_lowlevel_notify_inval_entry(session_->get(), kMountRoot, name.data(), name.size());
  return absl::OkStatus();
}

/// Fails where the kernel has forgotten the file, which is fine.
void Connection::store(std::uint64_t node, std::uint64_t offset, std::string_view bytes) {
  fuse_bufvec buffer = FUSE_BUFVEC_INIT(bytes.size());
  buffer.buf[0].mem = const_cast<char*>(bytes.data());
  const int result = fuse_lowlevel_notify_store(session_->get(), node, static_cast<off_t>(offset), &buffer,
                                                FUSE_BUF_NO_SPLICE);
  if (result == 0) metrics_.stored_bytes().add(static_cast<double>(bytes.size()));
}

}  // namespace samara::fuse_fs
