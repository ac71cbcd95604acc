#include "cache_index/known_frames.h"

#include <utility>

#include "cache_index/chunk.h"

namespace samara::cache_index {

bool KnownFrames::add(const IndexReader& index, Fd blob) {
  const std::uint32_t chunks = index.info().chunk_count;
  if (!index.is_made_as_here() || is_full() || chunks > kMaxChunks - places_.size()) return false;
  const auto number = static_cast<std::uint32_t>(blobs_.size());
  for (std::uint32_t i = 0; i < chunks; ++i) {
    const absl::StatusOr<Chunk> chunk = index.chunk(i);
    if (!chunk.ok()) continue;  // a damaged row is no frame to copy
    places_.try_emplace(chunk->digest, Place{.blob = number, .size = chunk->blob_size, .offset = chunk->blob_offset});
  }
  blobs_.push_back(std::move(blob));
  return true;
}

std::optional<std::string> KnownFrames::find(const Digest& chunk) const {
  const auto at = places_.find(chunk);
  if (at == places_.end()) return std::nullopt;
  const Place& place = at->second;
  std::string frame(place.size, '\0');
  const std::span<std::uint8_t> bytes(reinterpret_cast<std::uint8_t*>(frame.data()), frame.size());
  if (!pread_all(blobs_[place.blob].get(), bytes, place.offset).ok()) return std::nullopt;
  return frame;
}

}  // namespace samara::cache_index
