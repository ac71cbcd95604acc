#include "directory_page.h"

#include <algorithm>

#include "attributes.h"
#include "base/status.h"
#include "entry.h"

namespace samara::fuse_fs {
namespace {

constexpr std::size_t kMaxPage = 256u << 10;
constexpr std::uint64_t kFirstEntry = 2;  // after "." and ".."

/// Appends entries to a page until one doesn't fit.
class PageWriter {
 public:
  PageWriter(std::size_t size, Detail detail) : detail_(detail) { page_.bytes.resize(std::min(size, kMaxPage)); }

  Detail detail() const { return detail_; }

  /// An entry of which the kernel learns number and type only. `next`: the offset behind it.
  bool add_name(const std::string& name, std::uint64_t number, std::uint32_t type, std::uint64_t next) {
    fuse_entry_param entry{};  // node 0: nothing to remember
    entry.attr.st_ino = number;
    entry.attr.st_mode = type;
    return add(name, entry, next);
  }

  bool add_node(const std::string& name, const fuse_entry_param& entry, std::uint64_t next) {
    if (!add(name, entry, next)) return false;
    page_.looked_up.push_back(to_node_id(entry.ino).slot);
    return true;
  }

  DirectoryPage finish() {
    page_.bytes.resize(used_);
    return std::move(page_);
  }

 private:
  bool add(const std::string& name, const fuse_entry_param& entry, std::uint64_t next) {
    char* const to = page_.bytes.data() + used_;
    const std::size_t left = page_.bytes.size() - used_;
    const auto offset = static_cast<off_t>(next);
    const std::size_t needed = detail_ == Detail::kAttributes
                                   ? fuse_add_direntry_plus(nullptr, to, left, name.c_str(), &entry, offset)
                                   : fuse_add_direntry(nullptr, to, left, name.c_str(), &entry.attr, offset);
    if (needed > left) return false;
    used_ += needed;
    return true;
  }

  Detail detail_;
  DirectoryPage page_;
  std::size_t used_ = 0;
};

/// "." and "..", as far as they are asked for; false when the page is full.
bool add_dots(PageWriter& page, std::uint64_t offset, std::uint64_t self, std::uint64_t parent) {
  if (offset < 1 && !page.add_name(".", self, S_IFDIR, 1)) return false;
  return offset >= kFirstEntry || page.add_name("..", parent, S_IFDIR, kFirstEntry);
}

absl::StatusOr<std::uint64_t> parent_number(const cache_index::IndexReader& layer, NodeId directory) {
  if (directory.inode == cache_index::kRootInode) return kMountRoot;
  SAMARA_ASSIGN_OR_RETURN(const std::uint32_t parent, layer.parent(directory.inode));
  return to_number({directory.slot, parent});
}

absl::StatusOr<bool> add_entry(PageWriter& page, const cache_index::IndexReader& layer, std::uint32_t slot,
                               const cache_index::Dirent& dirent, std::uint64_t next) {
  const NodeId id{slot, dirent.inode};
  const std::string name(dirent.name);
  if (page.detail() == Detail::kNames) return page.add_name(name, to_number(id), dirent.type, next);
  SAMARA_ASSIGN_OR_RETURN(const cache_index::Inode inode, layer.inode(dirent.inode));
  return page.add_node(name, to_entry(id, inode), next);
}

}  // namespace

absl::StatusOr<DirectoryPage> read_directory(const cache_index::IndexReader& layer, NodeId directory,
                                             std::uint64_t offset, std::size_t size, Detail detail) {
  SAMARA_ASSIGN_OR_RETURN(const std::uint32_t count, layer.entry_count(directory.inode));
  SAMARA_ASSIGN_OR_RETURN(const std::uint64_t parent, parent_number(layer, directory));

  PageWriter page(size, detail);
  if (!add_dots(page, offset, to_number(directory), parent)) return page.finish();
  for (std::uint64_t at = std::max(offset, kFirstEntry); at - kFirstEntry < count; ++at) {
    SAMARA_ASSIGN_OR_RETURN(const cache_index::Dirent dirent,
                            layer.entry(directory.inode, static_cast<std::uint32_t>(at - kFirstEntry)));
    if (!is_entry_name(dirent.name)) continue;
    SAMARA_ASSIGN_OR_RETURN(const bool added, add_entry(page, layer, directory.slot, dirent, at + 1));
    if (!added) break;
  }
  return page.finish();
}

DirectoryPage read_mount_root(const SlotTable& slots, std::uint64_t offset, std::size_t size, Detail detail) {
  PageWriter page(size, detail);
  if (!add_dots(page, offset, kMountRoot, kMountRoot)) return page.finish();
  for (std::uint64_t from = std::max(offset, kFirstEntry) - kFirstEntry;;) {
    const auto attached = slots.next(from);
    if (!attached) break;
    from = std::uint64_t{attached->slot} + 1;
    const auto root = attached->layer->inode(cache_index::kRootInode);
    if (!root.ok()) continue;  // attach() saw it, so this can't be
    const std::string name = std::to_string(attached->slot);
    const fuse_entry_param entry = to_slot_entry(attached->slot, *root);
    const std::uint64_t next = from + kFirstEntry;
    const bool added = detail == Detail::kAttributes ? page.add_node(name, entry, next)
                                                     : page.add_name(name, entry.ino, S_IFDIR, next);
    if (!added) break;
  }
  return page.finish();
}

}  // namespace samara::fuse_fs
