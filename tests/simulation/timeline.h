#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/clock.h"

namespace samara::simulation {

using TimePoint = std::chrono::steady_clock::time_point;
using Duration = std::chrono::nanoseconds;

/// Virtual time: what happens when, one thing after the other. Of things at the same instant the one that was planned
/// first comes first, so a run with the same seed is the same run.
/// Threads: one.
class Timeline final : public Clock {
 public:
  using Action = std::function<void()>;

  TimePoint now() const override { return now_; }
  std::chrono::system_clock::time_point wall_now() const override;
  double seconds() const { return seconds_at(now_); }  ///< since the beginning
  static double seconds_at(TimePoint time);

  void at(TimePoint when, Action action);
  void after(Duration delay, Action action) { at(now_ + delay, std::move(action)); }

  /// Until nothing is planned, stop() was called, or the next thing lies behind `end`.
  void run(TimePoint end);
  void stop() { stopped_ = true; }
  std::uint64_t events() const { return events_; }

  static constexpr TimePoint kBegin{std::chrono::hours(1)};

 private:
  struct Entry {
    TimePoint when;
    std::uint64_t order;
    std::size_t action;  // place in actions_
    bool operator<(const Entry& other) const {  // the heap's top is its greatest
      return when != other.when ? when > other.when : order > other.order;
    }
  };

  TimePoint now_ = kBegin;
  std::vector<Entry> heap_;
  std::vector<Action> actions_;
  std::vector<std::size_t> free_;
  std::uint64_t planned_ = 0, events_ = 0;
  bool stopped_ = false;
};

}  // namespace samara::simulation
