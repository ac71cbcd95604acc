#include "network.h"

#include <algorithm>

namespace samara::simulation {
namespace {

Duration time_for(std::uint32_t bytes, double rate) { return Duration(static_cast<std::int64_t>(bytes * 1e9 / rate)); }

}  // namespace

void Link::send(Flow flow, std::uint32_t bytes, Done done) {
  std::deque<Unit>& units = waiting_[flow];
  if (units.empty()) turns_.push_back(flow);
  units.push_back({bytes, std::move(done)});
  serve();
}

void Link::serve() {
  while (!busy_ && !cut_ && !turns_.empty()) {
    const Flow flow = turns_.front();
    turns_.pop_front();
    const auto it = waiting_.find(flow);
    if (it == waiting_.end()) continue;  // dropped
    Unit unit = std::move(it->second.front());
    it->second.pop_front();
    if (it->second.empty()) {
      waiting_.erase(it);
    } else {
      turns_.push_back(flow);
    }
    busy_ = true;
    timeline_.after(time_for(unit.bytes, rate_), [this, unit = std::move(unit), generation = generation_] {
      if (generation != generation_) return;
      busy_ = false;
      bytes_ += unit.bytes;
      serve();
      unit.done();
    });
  }
}

void Link::lose_all() {
  waiting_.clear();
  turns_.clear();
  busy_ = false;
  ++generation_;
}

void Link::mend() {
  cut_ = false;
  serve();
}

void Machine::send(Machine& to, Flow flow, std::uint32_t bytes, Link::Done done) {
  up_.send(flow, bytes, [this, &to, bytes, done = std::move(done)]() mutable {
    if (!to.alive_) return;
    to.down_free_ = std::max(timeline_.now(), to.down_free_ + time_for(bytes, to.up_.rate()));
    timeline_.at(to.down_free_ + latency_, [&to, done = std::move(done)] {
      if (to.alive_) done();
    });
  });
}

void Machine::die() {
  alive_ = false;
  up_.lose_all();
}

void Meter::add(const Timeline& timeline, double amount) {
  const auto second = static_cast<std::int64_t>(timeline.seconds());
  if (second != second_) {
    peak_ = std::max(peak_, current_);
    current_ = 0;
    second_ = second;
  }
  current_ += amount;
  total_ += amount;
}

}  // namespace samara::simulation
