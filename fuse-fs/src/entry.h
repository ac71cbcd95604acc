#pragma once

#ifndef FUSE_USE_VERSION
#define FUSE_USE_VERSION 314
#endif
#include <fuse_lowlevel.h>

#include "absl/status/statusor.h"
#include "cache_index/index_reader.h"
#include "node_id.h"

namespace samara::fuse_fs {

/// For ever, in seconds: layers don't change. (Thirty years: far below where the kernel's clock arithmetic wraps.)
inline constexpr double kForever = 1e9;

/// What the kernel learns of a node when it meets it, and for how long it may believe that.
fuse_entry_param to_entry(NodeId id, const cache_index::Inode& inode);
/// The same for a slot in the mount's root: its name may go at any time, so it is asked for each time.
fuse_entry_param to_slot_entry(std::uint32_t slot, const cache_index::Inode& root);
/// "No such name", for ever.
fuse_entry_param absent_entry();

}  // namespace samara::fuse_fs
