#include "kernel_mount.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "mount_table.h"

namespace samara::fuse_fs {
namespace {

constexpr char kType[] = "fuse.samara";

absl::StatusOr<std::string> real_path(const std::string& path) {
  char resolved[PATH_MAX];
  if (::realpath(path.c_str(), resolved) == nullptr) return errno_status(errno, str_cat("resolve ", path));
  return std::string(resolved);
}

/// Canonical without a question to what may be mounted there: only what lies above it is looked at.
absl::StatusOr<std::string> canonical_mountpoint(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  const std::size_t slash = path.rfind('/');
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (name.empty() || name == "." || name == "..") {
    return absl::InvalidArgumentError(str_cat("'", path, "' isn't a directory to mount at"));
  }
  const std::string above = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  SAMARA_RETURN_IF_ERROR(make_directories(above));
  SAMARA_ASSIGN_OR_RETURN(std::string real, real_path(above));
  if (!real.ends_with('/')) real.push_back('/');
  real += name;
  SAMARA_ASSIGN_OR_RETURN(const auto mounted, mounted_at(real));
  return mounted ? real : real_path(real).value_or(real);  // the last part may be a symbolic link
}

/// statfs always asks the daemon; what stat says may come from the kernel's memory.
bool is_dead(const std::string& mountpoint) {
  struct statfs out;
  return ::statfs(mountpoint.c_str(), &out) != 0 && errno == ENOTCONN;
}

/// Takes off dead FUSE mounts until something else or nothing is there.
absl::Status clear_mountpoint(const std::string& mountpoint) {
  while (true) {
    SAMARA_ASSIGN_OR_RETURN(const auto mounted, mounted_at(mountpoint));
    if (!mounted) return absl::OkStatus();
    if (!is_dead(mountpoint)) {
      return absl::AlreadyExistsError(
          str_cat(mountpoint, ": a filesystem of type ", mounted->type, " is mounted there"));
    }
    log::info("taking off a dead mount", {{"mountpoint", mountpoint}, {"type", mounted->type}});
    if (::umount2(mountpoint.c_str(), MNT_DETACH) != 0) {
      return errno_status(errno, str_cat("unmount the dead mount at ", mountpoint));
    }
  }
}

/// The kernel reports an error on a connection that has ended.
bool is_connected(int fuse) {
  pollfd poll{.fd = fuse, .events = 0, .revents = 0};
  return ::poll(&poll, 1, 0) == 0;
}

/// Ends the connection of filesystem "0:N" through the control filesystem.
absl::Status abort_connection(const std::string& device) {
  constexpr char kControl[] = "/sys/fs/fuse/connections";
  const std::string path = str_cat(kControl, "/", device.substr(device.find(':') + 1), "/abort");
  auto file = open_file(path, O_WRONLY);
  const bool mounted = !file.ok() && ::mount("fusectl", kControl, "fusectl", 0, nullptr) == 0;
  if (mounted) file = open_file(path, O_WRONLY);
  absl::Status status = file.status();
  if (file.ok() && ::write(file->get(), "1", 1) != 1) status = errno_status(errno, str_cat("write ", path));
  if (file.ok()) file->reset();
  if (mounted) ::umount2(kControl, MNT_DETACH);
  return status;
}

}  // namespace

absl::StatusOr<KernelMount> mount_fuse(const std::string& path, bool allow_other) {
  KernelMount mount;
  SAMARA_ASSIGN_OR_RETURN(mount.mountpoint, canonical_mountpoint(path));
  const std::string& at = mount.mountpoint;
  SAMARA_RETURN_IF_ERROR(clear_mountpoint(at));
  SAMARA_RETURN_IF_ERROR(make_directories(at));
  SAMARA_ASSIGN_OR_RETURN(mount.fuse, open_file("/dev/fuse", O_RDWR));

  std::string options = str_cat("fd=", mount.fuse.get(), ",rootmode=40000,user_id=0,group_id=0,default_permissions");
  if (allow_other) str_append(&options, ",allow_other");
  if (::mount("samara", at.c_str(), kType, MS_RDONLY | MS_NOATIME, options.c_str()) != 0) {
    return errno_status(errno, str_cat("mount FUSE at ", at));
  }
  const auto mounted = mounted_at(at);
  if (!mounted.ok() || !*mounted || (*mounted)->type != kType) {
    ::umount2(at.c_str(), MNT_DETACH);
    return absl::InternalError(str_cat(at, ": mounted, but not in /proc/self/mountinfo"));
  }
  mount.device = (*mounted)->device;
  return mount;
}

absl::Status set_read_ahead(const KernelMount& mount, unsigned kilobytes) {
  const std::string path = str_cat("/sys/class/bdi/", mount.device, "/read_ahead_kb");
  SAMARA_ASSIGN_OR_RETURN(const Fd file, open_file(path, O_WRONLY));
  const std::string text = std::to_string(kilobytes);
  if (::write(file.get(), text.data(), text.size()) < 0) return errno_status(errno, str_cat("write ", path));
  return absl::OkStatus();
}

absl::Status check_alive(const KernelMount& mount) {
  if (!is_connected(mount.fuse.get())) return absl::FailedPreconditionError("the FUSE connection has ended");
  SAMARA_ASSIGN_OR_RETURN(const auto mounted, mounted_at(mount.mountpoint));
  if (mounted && mounted->device == mount.device && mounted->type == kType) return absl::OkStatus();
  return absl::FailedPreconditionError(str_cat("it isn't mounted at ", mount.mountpoint, " any more"));
}

absl::Status unmount_dead(const std::string& mountpoint) {
  const absl::Status cleared = clear_mountpoint(mountpoint);
  if (!absl::IsAlreadyExists(cleared)) return cleared;
  return absl::FailedPreconditionError(str_cat(mountpoint, " is in use: its process runs"));
}

void unmount_and_abort(const KernelMount& mount) {
  // Binds of one of its layers may lie on top of it at the same place; anything else there isn't ours to take off.
  while (true) {
    const auto mounted = mounted_at(mount.mountpoint);
    if (!mounted.ok() || !*mounted || (*mounted)->device != mount.device) break;
    if (::umount2(mount.mountpoint.c_str(), MNT_FORCE | MNT_DETACH) != 0) {
      log::warning("can't unmount", {{"mountpoint", mount.mountpoint}, {"error", errno_status(errno, "umount")}});
      break;
    }
  }
  if (!is_connected(mount.fuse.get())) return;
  const absl::Status aborted = abort_connection(mount.device);
  if (!aborted.ok()) log::warning("can't end the FUSE connection", {{"error", aborted}});
}

}  // namespace samara::fuse_fs
