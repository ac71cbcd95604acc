#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"

namespace samara::peer {

/// Why somebody waited long for a chunk: what took most of the time.
enum class SlowCause {
  kCache,     ///< reading and decompressing what was on the disk
  kQueue,     ///< before anybody was asked
  kSource,    ///< the one that was asked
  kFailures,  ///< sources that failed or gave wrong bytes before it
  kDeadline,  ///< nobody gave it in time
};
inline constexpr std::size_t kSlowCauses = 5;
std::string_view to_string(SlowCause cause);

/// A chunk that a read waited for, for long.
struct SlowFetch {
  Digest chunk;
  std::string source{};  ///< "cache", "site"; empty: nobody gave it
  SlowCause cause = SlowCause::kSource;
  std::chrono::milliseconds took{0};    ///< of the longest wait
  std::chrono::milliseconds queued{0};  ///< before the request that brought it began
  unsigned failed_attempts = 0;
};

/// The last of them, for `samara explain`.
/// Threads: any.
class SlowFetches {
 public:
  /// What takes less isn't worth telling.
  static constexpr std::chrono::milliseconds kSlow{5};
  static constexpr std::size_t kMost = 2048;

  void add(SlowFetch fetch);
  /// The last time that this chunk was slow; nullopt when it wasn't, or too long ago.
  std::optional<SlowFetch> find(const Digest& chunk) const;

 private:
  mutable std::mutex mutex_;
  std::vector<SlowFetch> fetches_;  // a ring once it is full
  std::size_t next_ = 0;
};

}  // namespace samara::peer
