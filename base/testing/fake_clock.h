#pragma once

#include <atomic>

#include "base/clock.h"

namespace samara {

/// Stands still until moved.
class FakeClock final : public Clock {
 public:
  void advance(std::chrono::nanoseconds by) { since_start_ += by.count(); }
  std::chrono::steady_clock::time_point now() const override {
    return std::chrono::steady_clock::time_point(std::chrono::hours(1) + std::chrono::nanoseconds(since_start_));
  }
  std::chrono::system_clock::time_point wall_now() const override {
    return std::chrono::system_clock::time_point(std::chrono::hours(24 * 365 * 50) + std::chrono::nanoseconds(since_start_));
  }

 private:
  std::atomic<std::int64_t> since_start_{0};
};

}  // namespace samara
