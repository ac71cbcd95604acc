#include "entry.h"

#include "attributes.h"

namespace samara::fuse_fs {

fuse_entry_param to_entry(NodeId id, const cache_index::Inode& inode) {
  fuse_entry_param entry{};
  entry.ino = to_number(id);
  entry.generation = 1;
  entry.attr = to_stat(id, inode);
  entry.attr_timeout = kForever;
  entry.entry_timeout = kForever;
  return entry;
}

fuse_entry_param to_slot_entry(std::uint32_t slot, const cache_index::Inode& root) {
  fuse_entry_param entry = to_entry({slot, cache_index::kRootInode}, root);
  entry.entry_timeout = 0;
  return entry;
}

fuse_entry_param absent_entry() {
  fuse_entry_param entry{};
  entry.entry_timeout = kForever;
  return entry;
}

}  // namespace samara::fuse_fs
