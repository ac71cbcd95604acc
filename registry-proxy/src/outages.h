#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <random>
#include <string>

#include "base/clock.h"

namespace samara::registry_proxy {

/// When a registry that is away is asked again for what can also be answered from memory.
///
/// After a failure nobody asks for a while, with jitter, twice as long after each further failure; then one asks for
/// all. Once it answers again, only a few ask at the same time for some seconds: the tags that everybody wanted
/// meanwhile don't come down on it at once.
/// Threads: any.
class Outages {
 public:
  /// `clock` is borrowed. `first_pause`: after a first failure; between half of it and all of it really.
  Outages(const Clock& clock, std::chrono::milliseconds first_pause) : clock_(clock), first_pause_(first_pause) {}

  /// True: ask now, and tell by done() what came of it. False: answer from memory.
  bool may_ask(const std::string& registry);
  void done(const std::string& registry, bool outage);

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct State {
    int asking = 0;
    int failures = 0;  // one after the other; 0: it answers
    Time retry;
    Time recovered;  // until then only a few at a time
  };
  std::chrono::milliseconds pause(int failures);

  const Clock& clock_;
  const std::chrono::milliseconds first_pause_;
  std::mutex mutex_;
  std::minstd_rand random_{std::random_device{}()};
  std::map<std::string, State> states_;  // bounded by the number of upstreams
};

}  // namespace samara::registry_proxy
