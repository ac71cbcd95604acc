#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "base/clock.h"
#include "registry_proxy/manifests.h"

namespace samara::registry_proxy {

/// Manifests that were read and verified lately, so that a warm answer costs no file, digest and JSON each time.
///
/// One stays for kFor at most: then it is read from the cache again, which so knows that it is still used, and verified
/// anew. The least recently used go once there are more bytes than the limit.
/// Threads: any.
class ManifestMemory {
 public:
  using Held = std::shared_ptr<const StoredManifest>;
  static constexpr std::chrono::seconds kFor{60};

  /// `clock` is borrowed.
  ManifestMemory(const Clock& clock, std::size_t max_bytes) : clock_(clock), max_bytes_(max_bytes) {}

  Held find(const Digest& digest);
  void put(const StoredManifest& manifest);

 private:
  struct Entry {
    Held manifest;
    std::size_t bytes;
    std::chrono::steady_clock::time_point until;
  };
  using Entries = std::list<Entry>;
  void erase(Entries::iterator entry);

  const Clock& clock_;
  const std::size_t max_bytes_;
  std::mutex mutex_;
  Entries entries_;  // the last used first
  std::unordered_map<Digest, Entries::iterator> by_digest_;
  std::size_t bytes_ = 0;
};

}  // namespace samara::registry_proxy
