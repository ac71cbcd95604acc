#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "base/file.h"

namespace samara::fuse_fs {

/// A connection to the kernel, mounted: /dev/fuse, and the mount that speaks through it.
struct KernelMount {
  Fd fuse;                 ///< the connection
  std::string mountpoint;  ///< canonical
  std::string device;      ///< "major:minor" of the filesystem, as in mountinfo and under /sys/class/bdi
};

/// Mounts a FUSE filesystem, read-only, with set-user-ID bits and devices in force (containers have both) and
/// permissions checked by the kernel. Makes the directory if it is missing; takes a dead FUSE mount off it first.
/// Nobody answers through the connection yet, so nothing may touch the mount.
/// Errors: PermissionDenied (not root), NotFound (no /dev/fuse), AlreadyExists (something else is mounted there).
absl::StatusOr<KernelMount> mount_fuse(const std::string& mountpoint, bool allow_other);

/// FailedPrecondition when the connection has ended or its filesystem isn't what is mounted there.
absl::Status check_alive(const KernelMount& mount);

/// Sets how far the kernel reads ahead. INIT can only lower that, so this comes after INIT was answered.
absl::Status set_read_ahead(const KernelMount& mount, unsigned kilobytes);

/// Takes the mount off its directory and ends the connection, even where open files or overlays still use it: nobody
/// would answer them any more.
void unmount_and_abort(const KernelMount& mount);

/// Takes what is mounted there off if nobody answers for it any more; FailedPrecondition if somebody does. Nothing there
/// is fine.
absl::Status unmount_dead(const std::string& mountpoint);

}  // namespace samara::fuse_fs
