#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <unordered_set>
#include <vector>

#include "cache_index/chunk.h"

namespace samara::cache_index {

/// The chunks of a layer that is being written, in stream order, and where their frames lie: a content that occurs
/// twice points twice at the frame of its first occurrence.
///
/// Threads: one writer, which may read without more ado; contains() from any.
class ChunkTable {
 public:
  ChunkTable() = default;
  ChunkTable(const ChunkTable&) = delete;

  bool contains(const Digest& digest) const;

  /// Appends `count` times the content `digest`, which must be contained already.
  void add_again(const Digest& digest, std::uint64_t count);
  /// Appends a content that is new here, whose frame of `frame_size` bytes now ends the blob.
  void add_new(const Digest& digest, std::uint32_t stream_size, std::uint32_t frame_size);

  std::span<const Chunk> chunks() const { return chunks_; }
  std::uint64_t stream_size() const { return chunks_.empty() ? 0 : chunks_.back().stream_range().end; }
  std::uint64_t blob_size() const { return blob_size_; }

 private:
  // First occurrences, as positions in chunks_, found by digest: no second copy of the digests.
  struct HashOf {
    using is_transparent = void;
    const std::vector<Chunk>* chunks;
    std::size_t operator()(const Digest& digest) const { return std::hash<Digest>()(digest); }
    std::size_t operator()(std::uint32_t at) const { return (*this)((*chunks)[at].digest); }
  };
  struct SameDigest {
    using is_transparent = void;
    const std::vector<Chunk>* chunks;
    const Digest& of(const Digest& digest) const { return digest; }
    const Digest& of(std::uint32_t at) const { return (*chunks)[at].digest; }
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return of(a) == of(b);
    }
  };

  mutable std::mutex mutex_;  // between contains() and the writer's changes
  std::vector<Chunk> chunks_;
  std::unordered_set<std::uint32_t, HashOf, SameDigest> first_{16, HashOf{&chunks_}, SameDigest{&chunks_}};
  std::uint64_t blob_size_ = 0;
};

}  // namespace samara::cache_index
