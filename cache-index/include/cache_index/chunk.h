#pragma once

#include <cstdint>

#include "base/byte_range.h"
#include "base/digest.h"

namespace samara::cache_index {

/// A piece of a layer's data stream, stored as one zstd frame in the layer's blob.
struct Chunk {
  Digest digest;                    ///< SHA-256 of the uncompressed bytes
  std::uint64_t stream_offset = 0;  ///< where its bytes begin in the data stream
  std::uint32_t stream_size = 0;    ///< uncompressed bytes, at most kMaxChunkBytes
  std::uint64_t blob_offset = 0;    ///< where its frame begins in the blob
  std::uint32_t blob_size = 0;      ///< bytes of the frame

  ByteRange blob_range() const { return {blob_offset, blob_offset + blob_size}; }
  ByteRange stream_range() const { return {stream_offset, stream_offset + stream_size}; }
};

inline constexpr std::uint32_t kMaxChunkBytes = 1u << 20;
/// The longest frame that zstd makes of kMaxChunkBytes (ZSTD_COMPRESSBOUND); an index that claims more is damaged.
inline constexpr std::uint32_t kMaxFrameBytes = kMaxChunkBytes + (kMaxChunkBytes >> 8);
/// Files begin at multiples of this in the data stream.
inline constexpr std::uint64_t kStreamAlignment = 4096;

}  // namespace samara::cache_index
