#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <unordered_map>

#include "timeline.h"

namespace samara::simulation {

/// A connection, for what shares a link.
using Flow = std::uint64_t;

/// One direction of a link. It is never idle while somebody has something to send, and those who have take turns, a unit
/// each: what TCP's fair shares come to, in steps of a unit.
class Link {
 public:
  using Done = std::function<void()>;
  Link(Timeline& timeline, double bytes_a_second) : timeline_(timeline), rate_(bytes_a_second) {}
  Link(const Link&) = delete;

  /// `done` when the last byte has left; never when it was lost.
  void send(Flow flow, std::uint32_t bytes, Done done);
  /// What of it hasn't left yet never will.
  void drop(Flow flow) { waiting_.erase(flow); }
  void lose_all();
  /// Nothing leaves any more, and nothing is lost, until mended.
  void cut() { cut_ = true; }
  void mend();

  std::uint64_t bytes() const { return bytes_; }
  double rate() const { return rate_; }

 private:
  struct Unit {
    std::uint32_t bytes;
    Done done;
  };
  void serve();

  Timeline& timeline_;
  const double rate_;
  std::unordered_map<Flow, std::deque<Unit>> waiting_;
  std::deque<Flow> turns_;  // may name flows that were dropped
  bool busy_ = false, cut_ = false;
  std::uint64_t generation_ = 0;  // of what is on its way; lose_all() begins a new one
  std::uint64_t bytes_ = 0;
};

/// A machine's network card: `up` in turns; down in the order of arrival, each byte passing on as it comes.
class Machine {
 public:
  Machine(Timeline& timeline, double bytes_a_second, Duration latency)
      : up_(timeline, bytes_a_second), timeline_(timeline), latency_(latency) {}

  /// Gives `to` a unit; `done` when it is there whole, never when one of the two dies before.
  void send(Machine& to, Flow flow, std::uint32_t bytes, Link::Done done);
  Link& up() { return up_; }
  Duration latency() const { return latency_; }

  bool alive() const { return alive_; }
  void die();
  void revive() { alive_ = true; }

 private:
  Link up_;
  Timeline& timeline_;
  const Duration latency_;
  TimePoint down_free_;  // when everything that has come is in
  bool alive_ = true;
};

/// Things counted in seconds of virtual time.
class Meter {
 public:
  void add(const Timeline& timeline, double amount = 1);
  double total() const { return total_; }
  double peak() const { return peak_ > current_ ? peak_ : current_; }  ///< in the fullest second

 private:
  double total_ = 0, current_ = 0, peak_ = 0;
  std::int64_t second_ = -1;
};

}  // namespace samara::simulation
