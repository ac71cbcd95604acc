#include "peer/blob_sources.h"

#include <algorithm>

namespace samara::peer {

void BlobSources::add(const Digest& blob, std::string_view source, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (blobs_.size() >= most_ && !blobs_.contains(blob)) forget_oldest();
  Blob& row = blobs_[blob];
  row.last = ++additions_;
  const auto it = row.bytes.find(source);
  if (it != row.bytes.end()) it->second += bytes;
  else row.bytes.emplace(source, bytes);
}

void BlobSources::forget_oldest() {
  blobs_.erase(std::min_element(blobs_.begin(), blobs_.end(),
                                [](const auto& a, const auto& b) { return a.second.last < b.second.last; }));
}

std::map<Digest, BlobSources::BySource> BlobSources::all() const {
  const std::lock_guard lock(mutex_);
  std::map<Digest, BySource> all;
  for (const auto& [blob, row] : blobs_) all[blob] = row.bytes;
  return all;
}

}  // namespace samara::peer
