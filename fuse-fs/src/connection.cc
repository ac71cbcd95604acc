#include "connection.h"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "connection_record.h"
#include "node_id.h"

namespace samara::fuse_fs {
namespace {

constexpr unsigned kReadAheadKilobytes = 1024;
constexpr std::uint64_t kUnknownLookups = std::uint64_t{1} << 62;
constexpr std::chrono::seconds kLastAnswers{10};

std::string record_path(const Connection::Options& options) { return str_cat(options.records, "/", options.name); }

}  // namespace

Connection::Connection(const Options& options, const Parts& parts)
    : options_(options),
      metrics_(parts.metrics),
      pages_([this](auto node, auto offset, auto bytes) { store(node, offset, bytes); }),
      reads_(parts.chunks, pages_, metrics_, parts.slow),
      state_{.slots = slots_,
             .reads = reads_,
             .interrupts = parts.interrupts,
             .metrics = metrics_,
             .xattrs = options.xattrs,
             .watcher = options.watcher,
             .preloader = options.preloader} {}

absl::StatusOr<std::unique_ptr<Connection>> Connection::create(const Options& options, const Parts& parts) {
  std::unique_ptr<Connection> connection(new Connection(options, parts));
  SAMARA_RETURN_IF_ERROR(connection->mount());
  connection->serve();
  return connection;
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::resume(const Options& options, Fd fuse, const Parts& parts) {
  std::unique_ptr<Connection> connection(new Connection(options, parts));
  SAMARA_RETURN_IF_ERROR(connection->take_over(std::move(fuse)));
  return connection;
}

absl::Status Connection::mount() {
  SAMARA_ASSIGN_OR_RETURN(mount_, mount_fuse(options_.mountpoint, options_.allow_other));
  SAMARA_ASSIGN_OR_RETURN(session_, Session::create(mount_.fuse.get(), operations(), &state_));
  prepare();
  if (options_.keeper == nullptr) return absl::OkStatus();
  const absl::Status given = give_to_keeper();
  if (!given.ok()) log::error("this mount will not outlive the process", {{"error", given}});
  kept_ = given.ok();
  return absl::OkStatus();
}

absl::Status Connection::give_to_keeper() {
  SAMARA_RETURN_IF_ERROR(make_directories(options_.records));
  SAMARA_RETURN_IF_ERROR(save({mount_.mountpoint, mount_.device, session_->agreement()}, record_path(options_)));
  return options_.keeper->keep(options_.name, mount_.fuse.get());
}

absl::Status Connection::take_over(Fd fuse) {
  SAMARA_ASSIGN_OR_RETURN(const ConnectionRecord record, load_connection_record(record_path(options_)));
  KernelMount mount{std::move(fuse), record.mountpoint, record.device};
  SAMARA_RETURN_IF_ERROR(check_alive(mount));
  SAMARA_ASSIGN_OR_RETURN(session_, Session::resume(mount.fuse.get(), operations(), &state_, record.agreement));
  mount_ = std::move(mount);
  kept_ = true;
  prepare();
  metrics_.takeovers().add();
  return absl::OkStatus();
}

void Connection::prepare() {
  const absl::Status set = set_read_ahead(mount_, kReadAheadKilobytes);
  if (!set.ok()) log::warning("the kernel reads only 128 KiB ahead", {{"error", set}});
}

void Connection::serve() {
  if (!serving_.exchange(true)) session_->start(options_.threads);
}

Connection::~Connection() {
  if (kept_) {
    hand_over();
  } else {
    end();
  }
  session_ = nullptr;  // which answers and pages still needed
}

void Connection::end() {
  if (session_ != nullptr) session_->leave();
  if (mount_.fuse.valid()) unmount_and_abort(mount_);
  if (session_ != nullptr) session_->join();
  reads_.drain(ENODEV);
  pages_.stop();
}

void Connection::hand_over() {
  session_->stop_reading();
  // What this kernel can't repeat must be answered by us.
  if (!can_resend(session_->agreement())) reads_.wait_until_none(kLastAnswers);
  session_->mute();
  reads_.drain(ENODEV);
  pages_.stop();
}

absl::Status Connection::unmount(const Options& options, Fd fuse) {
  const std::string path = record_path(options);
  const absl::StatusOr<ConnectionRecord> record = load_connection_record(path);
  if (absl::IsNotFound(record.status())) return absl::OkStatus();
  SAMARA_RETURN_IF_ERROR(record.status());
  if (fuse.valid()) {
    unmount_and_abort({std::move(fuse), record->mountpoint, record->device});
    if (options.keeper != nullptr) SAMARA_RETURN_IF_ERROR(options.keeper->forget(options.name));
  } else if (options.xattrs == Xattrs::kAbsent) {  // the other one goes with it
    SAMARA_RETURN_IF_ERROR(unmount_dead(record->mountpoint));
  }
  if (::unlink(path.c_str()) != 0) return errno_status(errno, str_cat("remove ", path));
  return absl::OkStatus();
}

absl::Status Connection::attach(std::uint32_t slot, peer::LayerIndex layer) {
  SAMARA_RETURN_IF_ERROR(slots_.attach(slot, std::move(layer)));
  // How many of its nodes the kernel knows from the process before, nobody can tell: it is kept to the end.
  if (!serving_) slots_.looked_up(slot, kUnknownLookups);
  return absl::OkStatus();
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
