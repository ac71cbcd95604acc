#pragma once

#include <chrono>

namespace samara {

/// Where components get the time, so that tests can move it by hand (base/testing/fake_clock.h).
///
/// Threads: any.
class Clock {
 public:
  virtual ~Clock() = default;
  /// Never goes back; for durations and time-outs.
  virtual std::chrono::steady_clock::time_point now() const = 0;
  /// Calendar time; for what is stored or shown.
  virtual std::chrono::system_clock::time_point wall_now() const = 0;
};

/// The machine's clocks.
class SystemClock final : public Clock {
 public:
  std::chrono::steady_clock::time_point now() const override { return std::chrono::steady_clock::now(); }
  std::chrono::system_clock::time_point wall_now() const override { return std::chrono::system_clock::now(); }
};

}  // namespace samara
