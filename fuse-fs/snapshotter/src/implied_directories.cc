#include "snapshotter/implied_directories.h"

#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>

#include "base/status.h"
#include "base/text.h"

namespace samara::snapshotter {
namespace {

using cache_index::IndexReader;
using cache_index::Inode;

constexpr std::uint32_t kPermissions = 07777;
constexpr std::size_t kLongestPath = 4096;  // PATH_MAX: an unpack couldn't make it either

bool is_compared(std::string_view xattr) {
  return !xattr.starts_with("trusted.overlay.") && !xattr.starts_with("user.overlay.") && xattr != "security.selinux";
}

// Calls `visit` with "a", "a/b", "a/b/c" for "a/b/c" until it returns false.
void each_prefix(std::string_view path,
                 const std::function<bool(std::string_view prefix, std::string_view name)>& visit) {
  std::size_t begin = 0;
  while (begin < path.size()) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    if (!visit(path.substr(0, end), path.substr(begin, end - begin))) return;
    begin = end + 1;
  }
}

absl::StatusOr<LowerEntry> directory_entry(const IndexReader& index, std::uint32_t number) {
  SAMARA_ASSIGN_OR_RETURN(const Inode inode, index.inode(number));
  LowerEntry entry{LowerEntry::Type::kDirectory, inode.mode & kPermissions, inode.uid, inode.gid, {}};
  SAMARA_ASSIGN_OR_RETURN(const auto xattrs, index.xattrs(number));
  for (const auto& [name, value] : xattrs) {
    if (is_compared(name)) entry.xattrs.emplace(name, value);
  }
  return entry;
}

absl::StatusOr<LowerEntry> find_in_index(const IndexReader& index, const std::string& path) {
  absl::StatusOr<LowerEntry> entry = directory_entry(index, cache_index::kRootInode);
  std::uint32_t directory = cache_index::kRootInode;
  each_prefix(path, [&](std::string_view, std::string_view name) {
    const absl::StatusOr<std::uint32_t> number = index.lookup(directory, name);
    if (!number.ok()) {
      entry = absl::IsNotFound(number.status()) ? absl::StatusOr<LowerEntry>(LowerEntry()) : number.status();
      return false;
    }
    const absl::StatusOr<Inode> inode = index.inode(*number);
    if (!inode.ok()) {
      entry = inode.status();
      return false;
    }
    if (!S_ISDIR(inode->mode)) {
      entry = LowerEntry{LowerEntry::Type::kOther, 0, 0, 0, {}};
      return false;
    }
    directory = *number;
    entry = directory_entry(index, directory);
    return entry.ok();
  });
  return entry;
}

absl::StatusOr<std::string> read_xattr(const std::string& path, const std::string& name) {
  std::string value(64 << 10, '\0');
  const ssize_t size = ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
  if (size < 0) return errno_status(errno, str_cat("read xattr ", name, " of ", path));
  value.resize(static_cast<std::size_t>(size));
  return value;
}

absl::Status read_xattrs(const std::string& path, std::map<std::string, std::string>& xattrs) {
  std::string names(64 << 10, '\0');
  const ssize_t size = ::llistxattr(path.c_str(), names.data(), names.size());
  if (size < 0) return errno == ENOTSUP ? absl::OkStatus() : errno_status(errno, str_cat("list the xattrs of ", path));
  for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
    const std::string name(names.c_str() + at);
    at += name.size() + 1;
    if (!is_compared(name)) continue;
    SAMARA_ASSIGN_OR_RETURN(xattrs[name], read_xattr(path, name));
  }
  return absl::OkStatus();
}

absl::StatusOr<LowerEntry> stat_entry(const std::string& path) {
  struct stat stat;
  if (::lstat(path.c_str(), &stat) != 0) {
    if (errno == ENOENT) return LowerEntry();
    return errno_status(errno, str_cat("stat ", path));
  }
  if (!S_ISDIR(stat.st_mode)) return LowerEntry{LowerEntry::Type::kOther, 0, 0, 0, {}};
  LowerEntry entry{LowerEntry::Type::kDirectory, stat.st_mode & kPermissions, stat.st_uid, stat.st_gid, {}};
  SAMARA_RETURN_IF_ERROR(read_xattrs(path, entry.xattrs));
  return entry;
}

// Step by step, so that a symlink on the way is seen as one.
absl::StatusOr<LowerEntry> find_in_directory(const std::string& root, const std::string& path) {
  absl::StatusOr<LowerEntry> entry = stat_entry(root);
  each_prefix(path, [&](std::string_view prefix, std::string_view) {
    entry = stat_entry(str_cat(root, "/", prefix));
    return entry.ok() && entry->type == LowerEntry::Type::kDirectory;
  });
  return entry;
}

bool has_implied(const IndexReader& index) {
  for (std::uint32_t number = 1; number <= index.info().inode_count; ++number) {
    const absl::StatusOr<Inode> inode = index.inode(number);
    // A damaged inode is found out by the walk.
    if (!inode.ok() || inode->implied) return true;
  }
  return false;
}

// An unpack makes the root with mode 0755 and the owner it has below, nothing else.
bool same(const std::string& path, const LowerEntry& own, const LowerEntry& lower) {
  if (own.uid != lower.uid || own.gid != lower.gid) return false;
  return path.empty() || (own.mode == lower.mode && own.xattrs == lower.xattrs);
}

absl::Status check_one(const std::string& path, const LowerLayer& own, const std::vector<LowerLayer>& lower) {
  for (const LowerLayer& layer : lower) {
    SAMARA_ASSIGN_OR_RETURN(const LowerEntry below, layer(path));
    if (below.type == LowerEntry::Type::kAbsent) continue;
    if (below.type == LowerEntry::Type::kOther) return absl::OkStatus();
    SAMARA_ASSIGN_OR_RETURN(const LowerEntry entry, own(path));
    if (same(path, entry, below)) return absl::OkStatus();
    return absl::FailedPreconditionError(
        str_cat("its tar doesn't name the directory /", path, ", whose mode, owner or xattrs a lower layer sets"));
  }
  return absl::OkStatus();
}

}  // namespace

LowerLayer lower_layer(peer::LayerIndex index) {
  return [index = std::move(index)](const std::string& path) { return find_in_index(*index, path); };
}

LowerLayer lower_layer(std::string directory) {
  return [directory = std::move(directory)](const std::string& path) { return find_in_directory(directory, path); };
}

absl::StatusOr<std::vector<std::string>> implied_directories(const IndexReader& index) {
  struct Directory {
    std::uint32_t number;
    std::string path;
  };
  std::vector<std::string> implied;
  if (!has_implied(index)) return implied;
  std::vector<Directory> pending{{cache_index::kRootInode, ""}};
  for (std::uint64_t visited = 0; !pending.empty(); ++visited) {
    if (visited > index.info().inode_count) return absl::DataLossError("the index's directories run in a circle");
    const Directory directory = std::move(pending.back());
    pending.pop_back();
    SAMARA_ASSIGN_OR_RETURN(const Inode inode, index.inode(directory.number));
    if (inode.implied) implied.push_back(directory.path);
    if (directory.path.size() > kLongestPath) {
      return absl::FailedPreconditionError("its directories are nested too deep");
    }
    SAMARA_ASSIGN_OR_RETURN(const std::uint32_t count, index.entry_count(directory.number));
    for (std::uint32_t position = 0; position < count; ++position) {
      SAMARA_ASSIGN_OR_RETURN(const cache_index::Dirent entry, index.entry(directory.number, position));
      if (!S_ISDIR(entry.type)) continue;
      pending.push_back({entry.inode, directory.path.empty() ? std::string(entry.name)
                                                             : str_cat(directory.path, "/", entry.name)});
    }
  }
  return implied;
}

absl::Status check_implied_directories(const peer::LayerIndex& index, const std::vector<LowerLayer>& lower) {
  if (lower.empty()) return absl::OkStatus();
  SAMARA_ASSIGN_OR_RETURN(const std::vector<std::string> paths, implied_directories(*index));
  const LowerLayer own = lower_layer(index);
  for (const std::string& path : paths) SAMARA_RETURN_IF_ERROR(check_one(path, own, lower));
  return absl::OkStatus();
}

}  // namespace samara::snapshotter
