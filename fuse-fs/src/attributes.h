#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <ctime>
#include <string_view>

#include "cache_index/index_reader.h"
#include "node_id.h"

namespace samara::fuse_fs {

/// An inode as stat(2) shows it. Access and change time are the modification time; blocks are counted as if nothing
/// were sparse.
struct stat to_stat(NodeId id, const cache_index::Inode& inode);

/// The directory that lists the slots: 0755, root's, changed when a slot last came or went.
struct stat mount_root_stat(timespec changed, std::uint64_t slots);

/// Whether the kernel takes `name` in a directory: 1 to 255 bytes, no '/', no NUL, neither "." nor "..". One that it
/// doesn't take would make the whole directory unreadable.
bool is_entry_name(std::string_view name);

}  // namespace samara::fuse_fs
