#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "space.h"

namespace samara::cache_index {

/// Keeps the cache below its limit: in the background from a high mark down to a low one, and at once for a write that
/// would pass the limit.
/// Threads: make_room() on any, also while it starts or stops; start() and stop() on one. A thread of its own runs
/// everything that it is given.
class Evictor {
 public:
  struct Work {
    std::function<void(std::uint64_t target)> evict;  ///< until at most `target` bytes are used, or nothing may go
    std::function<void()> housekeeping;               ///< every second or so
  };
  /// Borrows `space` and `clock`.
  Evictor(const Space& space, const Clock& clock, Work work)
      : space_(space), clock_(clock), work_(std::move(work)) {}
  ~Evictor() { stop(); }
  Evictor(const Evictor&) = delete;

  void start();
  void stop();  ///< waits for a pass under way; idempotent

  /// True once `bytes` more fit. Waits for a pass where there is hope; after one in vain nobody waits for some seconds,
  /// nor does anybody while it isn't started.
  bool make_room(std::uint64_t bytes);

 private:
  static constexpr std::uint64_t kHighPercent = 95, kLowPercent = 90;
  static constexpr std::chrono::seconds kPatience{2}, kHopeless{5}, kTick{1};

  void run();
  void run_once(std::uint64_t wanted);

  const Space& space_;
  const Clock& clock_;
  const Work work_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  bool running_ = false;
  std::uint64_t wanted_ = 0;   // bytes that somebody waits for
  std::uint64_t passes_ = 0;   // begun
  std::uint64_t finished_ = 0;
  std::chrono::steady_clock::time_point hopeless_until_{};
  std::thread thread_;
};

}  // namespace samara::cache_index
