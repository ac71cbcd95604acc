#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace samara::registry_proxy {

/// Remembers which of an upstream's endpoints failed, and which want to be left alone.
///
/// An endpoint that failed goes behind the others for a while, but is still asked when they can't help. One that limits
/// requests isn't asked at all until its time is over; limits are kept by identity, because registries count by user,
/// and so that nobody can use up the patience that the registry has with others.
/// Threads: any.
class Endpoints {
 public:
  /// `clock` is borrowed. `behind`: how long a failure counts.
  Endpoints(std::size_t count, std::chrono::milliseconds behind, const Clock& clock)
      : behind_(behind), clock_(clock), failed_until_(count) {}

  /// Positions in the order in which to ask: those without a recent failure first, each group as configured.
  std::vector<std::size_t> order() const;
  /// True when the endpoint was in order until now. `wait`: what it asked for itself, if it did.
  bool failed(std::size_t endpoint, std::optional<std::chrono::seconds> wait);
  void worked(std::size_t endpoint);

  /// Leaves the endpoint alone for `wait`, as far as `identity` goes.
  void rest(std::size_t endpoint, const std::string& identity, std::chrono::seconds wait);
  /// For how long it still wants to be left alone; nullopt when it may be asked.
  std::optional<std::chrono::seconds> resting(std::size_t endpoint, const std::string& identity) const;

 private:
  using Time = std::chrono::steady_clock::time_point;

  const std::chrono::milliseconds behind_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::vector<Time> failed_until_;
  std::map<std::pair<std::size_t, std::string>, Time> resting_;
};

}  // namespace samara::registry_proxy
