#include "read_plan.h"

#include <algorithm>
#include <limits>

#include "base/status.h"
#include "base/text.h"

namespace samara::fuse_fs {

absl::StatusOr<std::vector<ReadPiece>> plan_read(const cache_index::IndexReader& layer, const cache_index::Inode& file,
                                                 std::uint64_t offset, std::uint64_t size) {
  std::vector<ReadPiece> pieces;
  if (offset >= file.size || size == 0) return pieces;
  size = std::min(size, file.size - offset);
  if (file.data_offset > std::numeric_limits<std::uint64_t>::max() - file.size) {
    return absl::DataLossError("a file's data lies beyond the data stream");
  }

  std::uint64_t at = file.data_offset + offset;
  const std::uint64_t end = at + size;
  SAMARA_ASSIGN_OR_RETURN(std::uint32_t position, layer.chunk_at(at));
  for (; at < end; ++position) {
    SAMARA_ASSIGN_OR_RETURN(const cache_index::Chunk chunk, layer.chunk(position));
    const ByteRange range = chunk.stream_range();
    if (at < range.begin || at >= range.end || pieces.size() == kMaxPieces) {
      return absl::DataLossError(str_cat("chunk ", position, " isn't where the data stream has it"));
    }
    const std::uint64_t until = std::min(end, range.end);
    pieces.push_back({.chunk = position,
                      .begin = static_cast<std::uint32_t>(at - range.begin),
                      .size = static_cast<std::uint32_t>(until - at)});
    at = until;
  }
  return pieces;
}

}  // namespace samara::fuse_fs
