#pragma once

#include <cstdint>
#include <list>
#include <mutex>
#include <unordered_map>

#include "base/digest.h"
#include "peer/chunk_reader.h"

namespace samara::peer {

/// Uncompressed chunks that were used last, up to a number of bytes; the least recently used go first.
/// Threads: any. Who got a chunk keeps it alive after it went from here.
class ChunkMemory {
 public:
  explicit ChunkMemory(std::uint64_t limit_bytes) : limit_(limit_bytes) {}

  /// nullptr when it isn't here.
  ChunkBytes find(const Digest& chunk);
  /// A chunk larger than the whole limit is not kept.
  void put(const Digest& chunk, const ChunkBytes& bytes);
  std::uint64_t bytes() const;

 private:
  struct Entry {
    Digest chunk;
    ChunkBytes bytes;
  };

  const std::uint64_t limit_;
  mutable std::mutex mutex_;
  std::uint64_t bytes_ = 0;
  std::list<Entry> entries_;  // the last used first
  std::unordered_map<Digest, std::list<Entry>::iterator> by_chunk_;
};

}  // namespace samara::peer
