#include "snapshotter/snapshot_directories.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <system_error>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"

namespace samara::snapshotter {
namespace {

absl::Status internal(const absl::Status& status) { return absl::InternalError(status.message()); }
absl::Status disk_error(int error, std::string_view doing) { return internal(errno_status(error, doing)); }

// mkdir(2) with exactly these permissions, whatever the umask.
absl::Status make_directory(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) != 0) return disk_error(errno, str_cat("make directory ", path));
  if (::chmod(path.c_str(), mode) != 0) return disk_error(errno, str_cat("change the mode of ", path));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SnapshotDirectories> SnapshotDirectories::open(std::string root) {
  if (root.find_first_of(":,\\") != std::string::npos) {
    return absl::InvalidArgumentError(str_cat("overlayfs can't take the path ", root, ": it has one of : , \\"));
  }
  SAMARA_RETURN_IF_ERROR(make_directories(root));
  if (::chmod(root.c_str(), 0700) != 0) return disk_error(errno, str_cat("change the mode of ", root));
  return SnapshotDirectories(std::move(root));
}

std::string SnapshotDirectories::directory(std::uint64_t id) const { return str_cat(root_, "/", id); }
std::string SnapshotDirectories::files(std::uint64_t id) const { return str_cat(root_, "/", id, "/fs"); }
std::string SnapshotDirectories::work(std::uint64_t id) const { return str_cat(root_, "/", id, "/work"); }

absl::Status SnapshotDirectories::create(std::uint64_t id, uid_t uid, gid_t gid) const {
  const auto make = [&]() -> absl::Status {
    SAMARA_RETURN_IF_ERROR(make_directory(directory(id), 0700));
    SAMARA_RETURN_IF_ERROR(make_directory(files(id), 0755));
    if ((uid != 0 || gid != 0) && ::lchown(files(id).c_str(), uid, gid) != 0) {
      return disk_error(errno, str_cat("change the owner of ", files(id)));
    }
    return make_directory(work(id), 0711);
  };
  absl::Status status = make();
  // What can't be removed either is found at the next start.
  if (!status.ok()) (void)remove(id);
  return status;
}

absl::Status SnapshotDirectories::remove(std::uint64_t id) const {
  std::error_code error;
  std::filesystem::remove_all(directory(id), error);
  return error ? disk_error(error.value(), str_cat("remove ", directory(id))) : absl::OkStatus();
}

absl::StatusOr<std::vector<std::uint64_t>> SnapshotDirectories::ids() const {
  std::vector<std::uint64_t> ids;
  std::error_code error;
  std::filesystem::directory_iterator entry(root_, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename();
    std::uint64_t id = 0;
    const auto [end, wrong] = std::from_chars(name.data(), name.data() + name.size(), id);
    if (wrong == std::errc() && end == name.data() + name.size()) ids.push_back(id);
  }
  if (error) return disk_error(error.value(), str_cat("list ", root_));
  return ids;
}

absl::StatusOr<DiskUsage> SnapshotDirectories::usage(std::uint64_t id) const {
  absl::StatusOr<DiskUsage> usage = disk_usage(files(id));
  if (!usage.ok()) return internal(usage.status());
  return usage;
}

absl::StatusOr<SnapshotDirectories::Owner> SnapshotDirectories::owner(std::uint64_t id) const {
  struct stat stat;
  if (::lstat(files(id).c_str(), &stat) != 0) return disk_error(errno, str_cat("stat ", files(id)));
  return Owner{stat.st_uid, stat.st_gid};
}

}  // namespace samara::snapshotter
