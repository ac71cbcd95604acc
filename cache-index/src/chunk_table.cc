#include "chunk_table.h"

namespace samara::cache_index {

bool ChunkTable::contains(const Digest& digest) const {
  std::lock_guard lock(mutex_);
  return first_.contains(digest);
}

void ChunkTable::add_again(const Digest& digest, std::uint64_t count) {
  std::lock_guard lock(mutex_);
  Chunk chunk = chunks_[*first_.find(digest)];
  for (; count > 0; --count) {
    chunk.stream_offset = stream_size();
    chunks_.push_back(chunk);
  }
}

void ChunkTable::add_new(const Digest& digest, std::uint32_t stream_size, std::uint32_t frame_size) {
  std::lock_guard lock(mutex_);
  chunks_.push_back({digest, this->stream_size(), stream_size, blob_size_, frame_size});
  first_.insert(static_cast<std::uint32_t>(chunks_.size() - 1));
  blob_size_ += frame_size;
}

}  // namespace samara::cache_index
