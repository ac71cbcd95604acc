#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "base/digest.h"

namespace samara::cache_index {

/// When chunks and objects were used last, as far as their rows don't know it yet. To keep that cheap, a use is noted
/// only when the row's is kGrain or more ago, and rows are rewritten many at a time.
/// Threads: any.
class LastUses {
 public:
  using Times = std::unordered_map<Digest, std::uint64_t>;  // seconds since the epoch
  static constexpr std::uint64_t kGrain = 600;

  void note_chunk(const Digest& chunk, std::uint64_t recorded, std::uint64_t now) { note(chunks_, chunk, recorded, now); }
  void note_object(const Digest& object, std::uint64_t recorded, std::uint64_t now) { note(objects_, object, recorded, now); }

  /// The later of what the row says and what is noted.
  std::uint64_t chunk_use(const Digest& chunk, std::uint64_t recorded) const { return latest(chunks_, chunk, recorded); }
  std::uint64_t object_use(const Digest& object, std::uint64_t recorded) const { return latest(objects_, object, recorded); }

  /// Whether so many are noted that somebody should write them down now.
  bool many() const {
    const std::lock_guard lock(mutex_);
    return chunks_.size() + objects_.size() >= kMany;
  }
  struct Noted {
    Times chunks, objects;
  };
  Noted take() {
    const std::lock_guard lock(mutex_);
    return {std::exchange(chunks_, {}), std::exchange(objects_, {})};
  }

 private:
  static constexpr std::size_t kMany = 8192;
  void note(Times& times, const Digest& what, std::uint64_t recorded, std::uint64_t now) {
    if (now < recorded + kGrain) return;
    const std::lock_guard lock(mutex_);
    times[what] = now;
  }

  std::uint64_t latest(const Times& times, const Digest& what, std::uint64_t recorded) const {
    const std::lock_guard lock(mutex_);
    const auto noted = times.find(what);
    return noted == times.end() ? recorded : std::max(recorded, noted->second);
  }

  mutable std::mutex mutex_;
  Times chunks_, objects_;
};

}  // namespace samara::cache_index
