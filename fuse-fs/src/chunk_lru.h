#pragma once

#include <cstdint>
#include <list>
#include <unordered_map>
#include <utility>

#include "base/digest.h"
#include "peer/chunk_reader.h"

namespace samara::fuse_fs {

/// The chunks used last, of so many bytes together.
/// Threads: one at a time.
class ChunkLru {
 public:
  explicit ChunkLru(std::uint64_t limit) : limit_(limit) {}

  /// Null when it isn't here.
  peer::ChunkBytes find(const Digest& chunk) {
    const auto at = places_.find(chunk);
    if (at == places_.end()) return nullptr;
    chunks_.splice(chunks_.begin(), chunks_, at->second);
    return at->second->second;
  }

  /// `chunk` isn't here yet.
  void add(const Digest& chunk, peer::ChunkBytes bytes) {
    bytes_ += bytes->size();
    chunks_.emplace_front(chunk, std::move(bytes));
    places_.emplace(chunk, chunks_.begin());
    while (bytes_ > limit_) {
      bytes_ -= chunks_.back().second->size();
      places_.erase(chunks_.back().first);
      chunks_.pop_back();
    }
  }

 private:
  const std::uint64_t limit_;
  std::uint64_t bytes_ = 0;
  std::list<std::pair<Digest, peer::ChunkBytes>> chunks_;  // last used first
  std::unordered_map<Digest, std::list<std::pair<Digest, peer::ChunkBytes>>::iterator> places_;
};

}  // namespace samara::fuse_fs
