#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "cache_index/chunk.h"

namespace samara::cache_index {

/// Bytes of a chunk; `average` is a power of two.
struct ChunkSizes {
  std::uint32_t least, average, most;
};

inline constexpr std::uint32_t kMinChunkBytes = 64u << 10;
inline constexpr std::uint32_t kAverageChunkBytes = 256u << 10;
/// The format's. Others serve comparison only (bench/parameters.cc).
inline constexpr ChunkSizes kChunkSizes{kMinChunkBytes, kAverageChunkBytes, kMaxChunkBytes};
/// Files of at least this size begin and end at a cut, so that the same file gives the same chunks in every layer.
inline constexpr std::uint32_t kForcedCutBytes = kAverageChunkBytes;

/// Finds where the data stream is cut: a cut depends on the bytes shortly before it only, so an insertion moves the
/// cuts near it and leaves the others where they were.
///
/// Method: FastCDC. A gear hash rolls over the bytes after the first kMinChunkBytes; the chunk ends where the hash's
/// top bits are zero: 20 of them before kAverageChunkBytes, 16 after it (normalised chunking, level 2), or at
/// kMaxChunkBytes. docs/index-format.md has the exact definition.
/// Since a byte is shifted out of the hash by the 64th after it, the hash at any place is known from the 64 bytes
/// before it: long inputs are searched in four places at once, which the processor overlaps.
/// Source: Xia et al., "FastCDC: a Fast and Efficient Content-Defined Chunking Approach for Data Deduplication",
/// USENIX ATC 2016.
///
/// It keeps no bytes: the caller collects them.
///   while (!bytes.empty()) {
///     const std::size_t taken = chunker.advance(bytes);
///     chunk.append(bytes.first(taken)), bytes = bytes.subspan(taken);
///     if (chunker.at_cut()) emit(chunk), chunker.cut();
///   }
/// Threads: one at a time.
class Chunker {
 public:
  explicit Chunker(const ChunkSizes& sizes = kChunkSizes);

  /// Takes bytes from the front of `input` up to the end of the chunk, if that is in it; returns how many.
  /// Only while not at_cut().
  std::size_t advance(std::span<const std::uint8_t> input);
  /// The current chunk ends here.
  bool at_cut() const { return at_cut_; }
  /// Starts the next chunk, here.
  void cut();
  /// Bytes of the current chunk so far.
  std::uint32_t size() const { return size_; }

 private:
  /// Rolls until a cut, which is where the hash is below `bound`, or `end` bytes of the chunk; returns how many bytes
  /// it took.
  std::size_t roll(std::span<const std::uint8_t> input, std::uint32_t end, std::uint64_t bound);

  const ChunkSizes sizes_;
  const std::uint64_t bound_before_average_, bound_after_average_;
  std::uint64_t hash_ = 0;
  std::uint32_t size_ = 0;
  bool at_cut_ = false;
};

/// A run of zeros is never cut before kMaxChunkBytes (checked when this is compiled), so a hole's chunks can be told
/// without looking at its bytes.
inline constexpr std::uint32_t kZeroChunkBytes = kMaxChunkBytes;

}  // namespace samara::cache_index
