#include "timeline.h"

#include <algorithm>

namespace samara::simulation {

std::chrono::system_clock::time_point Timeline::wall_now() const {
  constexpr std::chrono::hours kSomeYears(24 * 365 * 50);
  return std::chrono::system_clock::time_point(kSomeYears + (now_ - kBegin));
}

double Timeline::seconds_at(TimePoint time) { return std::chrono::duration<double>(time - kBegin).count(); }

void Timeline::at(TimePoint when, Action action) {
  std::size_t place = actions_.size();
  if (free_.empty()) {
    actions_.push_back(std::move(action));
  } else {
    place = free_.back();
    free_.pop_back();
    actions_[place] = std::move(action);
  }
  heap_.push_back({std::max(when, now_), planned_++, place});
  std::push_heap(heap_.begin(), heap_.end());
}

void Timeline::run(TimePoint end) {
  while (!heap_.empty() && !stopped_ && heap_.front().when <= end) {
    std::pop_heap(heap_.begin(), heap_.end());
    const Entry next = heap_.back();
    heap_.pop_back();
    now_ = next.when;
    ++events_;
    const Action action = std::move(actions_[next.action]);
    actions_[next.action] = nullptr;
    free_.push_back(next.action);
    action();
  }
}

}  // namespace samara::simulation
