#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <unordered_set>
#include <vector>

#include "base/digest.h"
#include "cache_index/index_reader.h"

namespace samara::cache_index {

/// A set of chunks in eight bytes each: the first ones of their digests. What it holds by mistake is kept a bit longer.
class ChunkSet {
 public:
  void add_all_of(const IndexReader& index) {
    for (std::uint32_t i = 0; i < index.info().chunk_count; ++i) {
      if (const auto chunk = index.chunk(i); chunk.ok()) prefixes_.push_back(prefix(chunk->digest.bytes().data()));
    }
  }
  /// Before the first contains().
  void seal() {
    std::sort(prefixes_.begin(), prefixes_.end());
    prefixes_.erase(std::unique(prefixes_.begin(), prefixes_.end()), prefixes_.end());
  }
  bool contains(const Digest& chunk) const {
    return std::binary_search(prefixes_.begin(), prefixes_.end(), prefix(chunk.bytes().data()));
  }

 private:
  static std::uint64_t prefix(const std::uint8_t* hash) {
    std::uint64_t value = 0;
    std::memcpy(&value, hash, sizeof value);
    return value;
  }
  std::vector<std::uint64_t> prefixes_;
};

/// What an eviction must leave alone, and what it should take last.
struct Protection {
  std::unordered_set<Digest> files;  ///< objects and blobs with everything in them
  ChunkSet chunks;
  ChunkSet dear_chunks;
};

/// To what a removal is limited.
struct EvictionScope {
  bool everything = false;
  std::unordered_set<Digest> files;  ///< objects and blobs
  ChunkSet chunks;
  std::uint64_t used_before = ~std::uint64_t{0};  ///< what was used then or later stays

  bool has_file(const Digest& digest, std::uint64_t last_use) const {
    return last_use < used_before && (everything || files.contains(digest));
  }
  bool has_chunk(const Digest& digest, std::uint64_t last_use) const {
    return last_use < used_before && (everything || chunks.contains(digest));
  }
};

}  // namespace samara::cache_index
