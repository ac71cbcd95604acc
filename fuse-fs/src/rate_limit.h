#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

namespace samara::fuse_fs {

/// Lets so many events through an interval, and counts the rest.
/// Threads: any.
class RateLimit {
 public:
  using Time = std::chrono::steady_clock::time_point;
  RateLimit(std::uint32_t events, std::chrono::milliseconds interval) : events_(events), interval_(interval) {}

  /// How many were held back since the last that went through, if this one may go; nullopt otherwise.
  std::optional<std::uint64_t> admit(Time now) {
    const std::lock_guard lock(mutex_);
    if (!started_ || now - *started_ >= interval_) {
      started_ = now;
      admitted_ = 0;
    }
    if (admitted_ == events_) {
      ++held_back_;
      return std::nullopt;
    }
    ++admitted_;
    return std::exchange(held_back_, 0);
  }

 private:
  const std::uint32_t events_;
  const std::chrono::milliseconds interval_;
  std::mutex mutex_;
  std::optional<Time> started_;
  std::uint32_t admitted_ = 0;
  std::uint64_t held_back_ = 0;
};

}  // namespace samara::fuse_fs
