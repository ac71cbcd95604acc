#include "manifest_memory.h"

namespace samara::registry_proxy {
namespace {

// What it takes, about: the text, and its descriptors, which the text holds once more.
std::size_t size_of(const StoredManifest& manifest) { return 1024 + 2 * manifest.bytes.size(); }

}  // namespace

ManifestMemory::Held ManifestMemory::find(const Digest& digest) {
  const std::lock_guard lock(mutex_);
  const auto it = by_digest_.find(digest);
  if (it == by_digest_.end()) return nullptr;
  if (clock_.now() >= it->second->until) {
    erase(it->second);
    return nullptr;
  }
  entries_.splice(entries_.begin(), entries_, it->second);
  return it->second->manifest;
}

void ManifestMemory::put(const StoredManifest& manifest) {
  const std::size_t bytes = size_of(manifest);
  if (bytes > max_bytes_) return;
  auto held = std::make_shared<const StoredManifest>(manifest);
  const std::lock_guard lock(mutex_);
  if (const auto it = by_digest_.find(manifest.digest); it != by_digest_.end()) erase(it->second);
  entries_.push_front({std::move(held), bytes, clock_.now() + kFor});
  by_digest_[manifest.digest] = entries_.begin();
  bytes_ += bytes;
  while (bytes_ > max_bytes_) erase(std::prev(entries_.end()));
}

void ManifestMemory::erase(Entries::iterator entry) {
  bytes_ -= entry->bytes;
  by_digest_.erase(entry->manifest->digest);
  entries_.erase(entry);
}

}  // namespace samara::registry_proxy
