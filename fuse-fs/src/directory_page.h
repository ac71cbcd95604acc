#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cache_index/index_reader.h"
#include "node_id.h"
#include "slot_table.h"

namespace samara::fuse_fs {

/// What an answer to readdir holds of each entry: names and types, or attributes too (readdirplus).
enum class Detail { kNames, kAttributes };

/// One answer to readdir: entries as the kernel wants them, in directory order.
struct DirectoryPage {
  std::string bytes;                      ///< empty at the end of the directory
  std::vector<std::uint32_t> looked_up;   ///< the slot of each node whose attributes are in `bytes`
};

/// At most `size` bytes of entries of a layer's directory, from `offset` on. Offsets are positions: 0 and 1 are "." and
/// "..", 2 is the first entry; they stay right for ever. Names that the kernel would refuse are left out.
/// Errors: NotFound, DataLoss (of the index).
absl::StatusOr<DirectoryPage> read_directory(const cache_index::IndexReader& layer, NodeId directory,
                                             std::uint64_t offset, std::size_t size, Detail detail);

/// The same of the mount's root. The offset of slot n is n + 2, so that slots that come and go meanwhile change
/// nothing for the others.
DirectoryPage read_mount_root(const SlotTable& slots, std::uint64_t offset, std::size_t size, Detail detail);

}  // namespace samara::fuse_fs
