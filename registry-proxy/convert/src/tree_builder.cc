#include "tree_builder.h"

#include <sys/stat.h>

#include <limits>
#include <utility>

#include "base/status.h"
#include "base/text.h"

namespace samara::convert {
namespace {

using cache_index::LayerNode;

constexpr std::string_view kWhiteout = ".wh.", kMetaWhiteout = ".wh..wh.", kOpaque = ".wh..wh..opq";
constexpr std::size_t kMaxXattrName = 255, kMaxXattrValue = 64u << 10;
/// Node, its entry in the directory and what the allocator adds: measured, rounded up.
constexpr std::uint64_t kNodeBytes = 384, kXattrBytes = 128;

bool starts_with(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }

/// Appends the components of `text` to `path`; ".." goes up, but not above the root.
void append_clean(std::vector<std::string>& path, std::string_view text) {
  while (!text.empty()) {
    const auto slash = text.find('/');
    const std::string_view component = text.substr(0, slash);
    text = slash == std::string_view::npos ? std::string_view() : text.substr(slash + 1);
    if (component.empty() || component == ".") continue;
    if (component != "..") {
      path.emplace_back(component);
    } else if (!path.empty()) {
      path.pop_back();
    }
  }
}

absl::Status check_path(const std::vector<std::string>& path) {
  for (const std::string& component : path) {
    if (component.size() > kMaxComponentBytes) return absl::DataLossError("a name of more than 255 bytes");
  }
  return absl::OkStatus();
}

/// What a file system would keep. containerd drops trusted.*, what the kernel knows no handler for, and user.* of
/// anything but files and directories.
bool keeps_xattr(std::string_view name, std::uint32_t mode) {
  if (starts_with(name, "user.")) return S_ISREG(mode) || S_ISDIR(mode);
  if (name == "system.posix_acl_access" || name == "system.posix_acl_default") return !S_ISLNK(mode);
  return starts_with(name, "security.");
}

absl::StatusOr<std::uint32_t> owner(std::int64_t id) {
  if (id < 0 || id >= std::numeric_limits<std::uint32_t>::max()) {
    return absl::UnimplementedError(str_cat("owner ", id, " is out of range"));
  }
  return static_cast<std::uint32_t>(id);
}

std::uint32_t mode_of(const TarEntry& entry) {
  switch (entry.type) {
    case EntryType::kDirectory:
      return S_IFDIR | entry.mode;
    case EntryType::kSymlink:
      return S_IFLNK | 0777;
    case EntryType::kCharDevice:
      return S_IFCHR | entry.mode;
    case EntryType::kBlockDevice:
      return S_IFBLK | entry.mode;
    case EntryType::kFifo:
      return S_IFIFO | entry.mode;
    case EntryType::kFile:
    case EntryType::kHardLink:
    case EntryType::kGlobalHeader:
      break;
  }
  return S_IFREG | entry.mode;
}

/// containerd sets times before the epoch, or too late for nanoseconds in 64 bits, to the epoch.
void set_mtime(const TarEntry& entry, LayerNode& node) {
  constexpr std::int64_t kMaxSeconds = std::numeric_limits<std::int64_t>::max() / 1'000'000'000;
  const bool bounded = entry.mtime_sec >= 0 && entry.mtime_sec < kMaxSeconds;
  node.mtime_sec = bounded ? entry.mtime_sec : 0;
  node.mtime_nsec = bounded ? entry.mtime_nsec : 0;
}

absl::Status not_lazily(std::string_view why) { return absl::UnimplementedError(to_absl(why)); }

}  // namespace

TreeBuilder::TreeBuilder(Limits limits) : limits_(limits) {
  LayerNode root;
  root.mode = S_IFDIR | 0755;
  root.implied = true;
  tree_.nodes.push_back(std::move(root));
}

absl::StatusOr<std::optional<std::uint32_t>> TreeBuilder::add(const TarEntry& entry) {
  auto node = apply(entry);
  if (!node.ok()) return annotate(node.status(), str_cat("tar entry ", quoted(entry.name), " at byte ", entry.tar_offset));
  return node;
}

absl::Status TreeBuilder::add_hole(std::uint64_t size) {
  if (size > limits_.hole_bytes - hole_bytes_) return not_lazily("more holes in sparse files than are taken");
  hole_bytes_ += size;
  return absl::OkStatus();
}

absl::StatusOr<std::optional<std::uint32_t>> TreeBuilder::apply(const TarEntry& entry) {
  Path path;
  append_clean(path, entry.name);
  if (path.empty()) {  // the root keeps its owner and mode, as with containerd
    if (entry.type != EntryType::kGlobalHeader) set_mtime(entry, tree_.nodes[0]);
    return std::nullopt;
  }
  SAMARA_RETURN_IF_ERROR(check_path(path));
  for (const std::string& component : path) {
    // AUFS's own bookkeeping; nothing but the opaque marker means anything to overlayfs.
    if (starts_with(component, kMetaWhiteout) && component != kOpaque) return std::nullopt;
  }
  Place place;
  place.name = std::move(path.back());
  path.pop_back();
  SAMARA_ASSIGN_OR_RETURN(place.directory, make_directories(std::move(path)));
  if (entry.type == EntryType::kGlobalHeader) {
    tree_.nodes[place.directory].children.erase(place.name);
    return std::nullopt;
  }
  SAMARA_ASSIGN_OR_RETURN(const bool was_whiteout, whiteout(entry, place));
  if (was_whiteout) return std::nullopt;
  return put(entry, place);
}

absl::StatusOr<bool> TreeBuilder::whiteout(const TarEntry& entry, const Place& place) {
  if (!starts_with(place.name, kWhiteout)) return false;
  LayerNode& directory = tree_.nodes[place.directory];
  if (place.name == kOpaque) {
    directory.xattrs.insert_or_assign("trusted.overlay.opaque", "y");
    return true;
  }
  const std::string hidden = place.name.substr(kWhiteout.size());
  if (hidden.empty() || hidden == "." || hidden == "..") return absl::DataLossError("a whiteout of no name");
  directory.children.erase(hidden);
  SAMARA_ASSIGN_OR_RETURN(const std::uint32_t node, make_node(S_IFCHR));
  SAMARA_ASSIGN_OR_RETURN(tree_.nodes[node].uid, owner(entry.uid));
  SAMARA_ASSIGN_OR_RETURN(tree_.nodes[node].gid, owner(entry.gid));
  set_mtime(entry, tree_.nodes[node]);
  tree_.nodes[place.directory].children[hidden] = node;
  return true;
}

absl::StatusOr<std::optional<std::uint32_t>> TreeBuilder::put(const TarEntry& entry, const Place& place) {
  std::optional<std::uint32_t> node = child(place.directory, place.name);
  const bool merges = node && entry.type == EntryType::kDirectory && S_ISDIR(tree_.nodes[*node].mode);
  if (!merges) {
    tree_.nodes[place.directory].children.erase(place.name);
    if (entry.type == EntryType::kHardLink) {
      SAMARA_ASSIGN_OR_RETURN(node, link_target(entry));
    } else {
      SAMARA_ASSIGN_OR_RETURN(node, make_node(mode_of(entry)));
    }
    SAMARA_RETURN_IF_ERROR(charge(place.name.size()));
    tree_.nodes[place.directory].children[place.name] = *node;
  }
  SAMARA_RETURN_IF_ERROR(set_attributes(entry, *node));
  return entry.type == EntryType::kFile ? node : std::nullopt;
}

absl::Status TreeBuilder::set_attributes(const TarEntry& entry, std::uint32_t number) {
  LayerNode& node = tree_.nodes[number];
  SAMARA_ASSIGN_OR_RETURN(node.uid, owner(entry.uid));
  SAMARA_ASSIGN_OR_RETURN(node.gid, owner(entry.gid));
  if (!S_ISLNK(node.mode)) node.mode = (node.mode & S_IFMT) | entry.mode;
  set_mtime(entry, node);
  node.implied = false;
  if (entry.size > limits_.file_bytes) return not_lazily("larger than is taken");
  if (entry.type == EntryType::kFile) node.size = entry.size;
  if (entry.type == EntryType::kCharDevice || entry.type == EntryType::kBlockDevice) {
    node.rdev_major = static_cast<std::uint32_t>(entry.device_major) & 0xfff;  // the kernel's 12 and 20 bits
    node.rdev_minor = static_cast<std::uint32_t>(entry.device_minor) & 0xfffff;
  }
  if (entry.type == EntryType::kSymlink) {
    if (entry.link_target.empty() || entry.link_target.size() >= kMaxPathBytes) {
      return absl::DataLossError("a symlink's target must have 1 to 4095 bytes");
    }
    SAMARA_RETURN_IF_ERROR(charge(entry.link_target.size()));
    node.symlink_target = entry.link_target;
  }
  if (!S_ISDIR(node.mode)) node.xattrs.erase("security.capability");  // chown drops it, a hard link's too
  for (const auto& [name, value] : entry.xattrs) {
    if (!keeps_xattr(name, node.mode)) continue;
    if (name.size() > kMaxXattrName || value.size() > kMaxXattrValue) {
      return absl::DataLossError("an extended attribute too long for Linux");
    }
    SAMARA_RETURN_IF_ERROR(charge(kXattrBytes + name.size() + value.size()));
    node.xattrs[name] = value;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::uint32_t> TreeBuilder::link_target(const TarEntry& entry) {
  Path path;
  append_clean(path, entry.link_target);
  if (path.empty()) return not_lazily("hard link to a directory");
  const std::string name = std::move(path.back());
  path.pop_back();
  std::size_t existing = 0;
  SAMARA_ASSIGN_OR_RETURN(const std::uint32_t directory, walk(path, existing));
  const auto node = existing == path.size() ? child(directory, name) : std::nullopt;
  if (!node) return not_lazily(str_cat("hard link to ", quoted(entry.link_target), ", which isn't in this layer before it"));
  if (S_ISDIR(tree_.nodes[*node].mode)) return not_lazily("hard link to a directory");
  return *node;
}

absl::StatusOr<std::uint32_t> TreeBuilder::walk(Path& path, std::size_t& existing) const {
  std::uint32_t directory = 0;
  int links = 0;
  for (existing = 0; existing < path.size();) {
    const auto node = child(directory, path[existing]);
    if (!node) break;
    const LayerNode& found = tree_.nodes[*node];
    if (S_ISDIR(found.mode)) {
      directory = *node;
      ++existing;
      continue;
    }
    if (!S_ISLNK(found.mode)) return not_lazily(str_cat(quoted(path[existing]), " on its path isn't a directory"));
    if (++links > kMaxLinksFollowed) return not_lazily("too many symlinks on its path");
    Path target(path.begin(), path.begin() + static_cast<std::ptrdiff_t>(existing));
    if (found.symlink_target.front() == '/') target.clear();
    append_clean(target, found.symlink_target);
    target.insert(target.end(), path.begin() + static_cast<std::ptrdiff_t>(existing) + 1, path.end());
    if (target.size() > kMaxPathBytes / 2) return not_lazily("path too long");
    path = std::move(target);
    directory = 0;
    existing = 0;
  }
  return directory;
}

absl::StatusOr<std::uint32_t> TreeBuilder::make_directories(Path path) {
  std::size_t existing = 0;
  SAMARA_ASSIGN_OR_RETURN(std::uint32_t directory, walk(path, existing));
  SAMARA_RETURN_IF_ERROR(check_path(path));
  for (; existing < path.size(); ++existing) {
    SAMARA_ASSIGN_OR_RETURN(const std::uint32_t made, make_node(S_IFDIR | 0755));
    tree_.nodes[made].implied = true;
    if ((tree_.nodes[directory].mode & S_ISGID) != 0) tree_.nodes[made].gid = tree_.nodes[directory].gid;  // as mkdir(2)
    SAMARA_RETURN_IF_ERROR(charge(path[existing].size()));
    tree_.nodes[directory].children[path[existing]] = made;
    directory = made;
  }
  return directory;
}

absl::StatusOr<std::uint32_t> TreeBuilder::make_node(std::uint32_t mode) {
  SAMARA_RETURN_IF_ERROR(charge(kNodeBytes));
  LayerNode node;
  node.mode = mode;
  tree_.nodes.push_back(std::move(node));
  return static_cast<std::uint32_t>(tree_.nodes.size() - 1);
}

absl::Status TreeBuilder::charge(std::uint64_t bytes) {
  tree_bytes_ += bytes;
  return tree_bytes_ <= limits_.tree_bytes ? absl::OkStatus() : not_lazily("more entries than are taken");
}

std::optional<std::uint32_t> TreeBuilder::child(std::uint32_t directory, const std::string& name) const {
  const auto& children = tree_.nodes[directory].children;
  const auto found = children.find(name);
  if (found == children.end()) return std::nullopt;
  return found->second;
}

}  // namespace samara::convert
