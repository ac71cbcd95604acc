#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "cache_index/index_reader.h"

namespace samara::fuse_fs {

/// Part of a chunk that goes into an answer.
struct ReadPiece {
  std::uint32_t chunk = 0;  ///< its position in the layer
  std::uint32_t begin = 0;  ///< byte of the chunk
  std::uint32_t size = 0;   ///< not 0
};

/// Which bytes of which chunks are bytes [offset, offset + size) of `file`, in order; fewer at the file's end, none
/// past it.
/// Errors: DataLoss (the index contradicts itself, or cuts this range into more than kMaxPieces).
absl::StatusOr<std::vector<ReadPiece>> plan_read(const cache_index::IndexReader& layer, const cache_index::Inode& file,
                                                 std::uint64_t offset, std::uint64_t size);

/// More than any converter's chunks can give in a request of 1 MiB: files begin at multiples of 4 KiB.
inline constexpr std::size_t kMaxPieces = 512;

}  // namespace samara::fuse_fs
