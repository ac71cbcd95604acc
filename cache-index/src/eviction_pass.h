#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "disk_cache.h"
#include "eviction_plan.h"
#include "protection.h"

namespace samara::cache_index {

/// One eviction: looks at every row, chooses, looks again and removes. Two scans of the rows cost a second per million
/// and need no memory that grows with them; each pass frees a fair part of the cache.
/// Threads: one; the cache is in use meanwhile.
class EvictionPass {
 public:
  /// Borrows all. `scope`: nothing else goes; null: all may.
  EvictionPass(DiskCache& cache, const Protection& protection, std::uint64_t now, const EvictionScope* scope = nullptr)
      : cache_(cache), protection_(protection), scope_(scope), plan_(now) {}

  /// Frees about `bytes`, or what may go.
  absl::Status run(std::uint64_t bytes);
  /// How many bytes a run() for everything would free; removes nothing. An object of its own for each.
  absl::StatusOr<std::uint64_t> plan();
  std::uint64_t protected_bytes() const { return protected_bytes_; }
  std::uint64_t chunks() const { return chunks_; }
  std::uint64_t objects() const { return objects_; }

 private:
  struct Object {
    Digest digest;
    ObjectRow row;
    Tier tier;
  };

  absl::Status look();
  absl::Status look_at_objects();
  absl::Status find_spare_layers();
  absl::Status look_at_chunks();
  absl::Status remove_objects();
  absl::Status remove_object(const Object& object);
  absl::Status remove_chunks();
  absl::Status remove_batch(std::vector<DiskCache::StoredChunk>& batch);
  absl::Status remove_from(const Digest& blob, const std::vector<DiskCache::StoredChunk>& chunks);
  absl::Status remove_empty_blobs();
  Tier tier_of(const Digest& digest, const ObjectRow& row) const;
  Tier tier_of(const Digest& chunk) const;
  bool enough() const;
  /// Visits chunks in `cache_`; a damaged row is passed over.
  absl::Status scan_chunks(const std::function<bool(DiskCache::StoredChunk)>& visit);

  DiskCache& cache_;
  const Protection& protection_;
  const EvictionScope* const scope_;
  EvictionPlan plan_;
  std::uint64_t target_ = 0;  // that used() should come down to
  std::vector<Object> candidates_;
  std::unordered_set<Digest> whole_;                   // blobs whose chunks go with them, see look_at_objects()
  std::unordered_set<Digest> held_;                    // those of them in which a chunk lies that must stay
  std::unordered_set<Digest> spare_;                   // original layers whose converted form is here
  std::unordered_set<Digest> leaving_;                 // those of them that go in this pass
  std::unordered_map<Digest, std::uint64_t> partial_;  // partial blobs, with how many chunks lie in them
  std::uint64_t protected_bytes_ = 0, chunks_ = 0, objects_ = 0;
};

}  // namespace samara::cache_index
