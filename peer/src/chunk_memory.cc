#include "chunk_memory.h"

namespace samara::peer {

ChunkBytes ChunkMemory::find(const Digest& chunk) {
  const std::lock_guard lock(mutex_);
  const auto it = by_chunk_.find(chunk);
  if (it == by_chunk_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, it->second);
  return it->second->bytes;
}

void ChunkMemory::put(const Digest& chunk, const ChunkBytes& bytes) {
  std::list<Entry> freed;  // outside the lock
  const std::lock_guard lock(mutex_);
  if (bytes->size() > limit_ || by_chunk_.contains(chunk)) return;
  entries_.push_front({chunk, bytes});
  by_chunk_[chunk] = entries_.begin();
  bytes_ += bytes->size();
  while (bytes_ > limit_) {
    bytes_ -= entries_.back().bytes->size();
    by_chunk_.erase(entries_.back().chunk);
    freed.splice(freed.begin(), entries_, std::prev(entries_.end()));
  }
}

std::uint64_t ChunkMemory::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace samara::peer
