#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "cache_index/layer_tree.h"

namespace samara::cache_index {

/// Which inode number each node of a tree gets: breadth first, each directory's entries in name order, so that a walk
/// of the tree reads the inode and dirent tables from front to back.
struct TreeOrder {
  std::vector<std::uint32_t> nodes;     ///< node number of inode 1, 2, 3 …
  std::vector<std::uint32_t> inode_of;  ///< of each node; 0: nothing reaches it
  std::vector<std::uint32_t> nlink;     ///< of inode 1, 2, 3 …: names of a file; 2 + subdirectories of a directory
  std::vector<std::uint32_t> parent;    ///< of inode 1, 2, 3 …: the directory's inode; only for directories
};

/// Orders the nodes that the root reaches, and checks that they can be a Linux file system whose file data lies within
/// a stream of `stream_size` bytes.
/// Errors: InvalidArgument, naming the entry (a directory with two names or within itself, a name or link target too
/// long, data outside the stream …).
absl::StatusOr<TreeOrder> order_tree(const LayerTree& tree, std::uint64_t stream_size);

}  // namespace samara::cache_index
