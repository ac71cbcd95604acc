#include "attributes.h"

#include <sys/sysmacros.h>

namespace samara::fuse_fs {
namespace {

constexpr std::uint32_t kBlock = 4096;

}  // namespace

struct stat to_stat(NodeId id, const cache_index::Inode& inode) {
  struct stat out {};
  out.st_ino = to_number(id);
  out.st_mode = inode.mode;
  out.st_nlink = inode.nlink;
  out.st_uid = inode.uid;
  out.st_gid = inode.gid;
  out.st_size = static_cast<off_t>(inode.size);
  out.st_blocks = static_cast<blkcnt_t>(inode.size / 512 + (inode.size % 512 != 0));
  out.st_blksize = kBlock;
  if (S_ISCHR(inode.mode) || S_ISBLK(inode.mode)) out.st_rdev = makedev(inode.rdev_major, inode.rdev_minor);
  out.st_mtim = {.tv_sec = inode.mtime_sec, .tv_nsec = static_cast<long>(inode.mtime_nsec)};
  out.st_atim = out.st_ctim = out.st_mtim;
  return out;
}

struct stat mount_root_stat(timespec changed, std::uint64_t slots) {
  struct stat out {};
  out.st_ino = kMountRoot;
  out.st_mode = S_IFDIR | 0755;
  out.st_nlink = slots + 2;
  out.st_blksize = kBlock;
  out.st_atim = out.st_ctim = out.st_mtim = changed;
  return out;
}

bool is_entry_name(std::string_view name) {
  if (name.empty() || name.size() > 255 || name == "." || name == "..") return false;
  return name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

}  // namespace samara::fuse_fs
