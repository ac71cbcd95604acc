#pragma once

#include <array>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "base/digest.h"

namespace samara::cache_index {

/// Locks for files under objects/, by name; several names share one.
///
/// Shared: bytes are written into the file and a row that speaks of them follows. Exclusive: the file is replaced or
/// removed, or rows that speak of it go. Held across that I/O on purpose: in between, rows and bytes disagree. Readers
/// take none; what they read wrong they read again under the lock before they believe it (DiskCache::read_chunk()).
class FileLocks {
 public:
  std::shared_lock<std::shared_mutex> shared(const Digest& name) { return std::shared_lock(of(name)); }
  std::unique_lock<std::shared_mutex> exclusive(const Digest& name) { return std::unique_lock(of(name)); }
  /// Of two names, without a deadlock.
  std::pair<std::unique_lock<std::shared_mutex>, std::unique_lock<std::shared_mutex>> exclusive(const Digest& one,
                                                                                               const Digest& other) {
    std::unique_lock first(of(one), std::defer_lock), second(of(other), std::defer_lock);
    if (first.mutex() == second.mutex()) {
      first.lock();
    } else {
      std::lock(first, second);
    }
    return {std::move(first), std::move(second)};
  }

 private:
  std::shared_mutex& of(const Digest& name) { return locks_[std::hash<Digest>{}(name) % locks_.size()]; }
  std::array<std::shared_mutex, 64> locks_;
};

}  // namespace samara::cache_index
