#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "peer/warm_protocol.h"

namespace samara::snapshotter {

/// Tells each of the node's sites that it lives, and passes on what they order.
///
/// A site is told again when it says, give or take a fifth, so that nodes that were started together don't all come at
/// once; one that doesn't answer, after twice as long each time, two minutes at most. What it ordered last stays meanwhile.
/// Threads: any; start() makes one of its own. Tests call step() by hand instead.
class Heartbeats {
 public:
  using Duration = std::chrono::milliseconds;
  /// What to tell.
  using Describe = std::function<peer::Heartbeat()>;
  /// Tells one site.
  using Tell = std::function<absl::StatusOr<peer::HeartbeatAnswer>(std::size_t site, const peer::Heartbeat& heartbeat)>;
  /// Is given all that the sites have ordered, whenever one has answered.
  using Obey = std::function<void(const std::vector<peer::WarmOrder>& orders)>;
  struct Options {
    Duration first_retry{2'000}, longest_retry{120'000};
    std::uint32_t seed = std::random_device{}();  ///< of the jitter
  };
  Heartbeats(std::size_t sites, Describe describe, Tell tell, Obey obey, const Clock& clock, const Options& options);
  ~Heartbeats() { stop(); }

  void start();
  void stop();
  /// Tells those whose time has come; returns how long until the next one's.
  Duration step();
  /// Which site ordered something of this image; nullopt: none.
  std::optional<std::size_t> site_of(const Digest& manifest) const;

 private:
  struct Site {
    std::chrono::steady_clock::time_point next;
    int failures = 0;
    std::vector<peer::WarmOrder> orders;
  };
  void tell_one(std::size_t site, const peer::Heartbeat& heartbeat);
  Duration jittered(Duration time);
  void run();

  const Describe describe_;
  const Tell tell_;
  const Obey obey_;
  const Clock& clock_;
  const Options options_;
  std::minstd_rand random_;  // of the thread that calls step()
  mutable std::mutex mutex_;  // guards what follows; never held while a site is told
  std::condition_variable changed_;
  std::vector<Site> sites_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace samara::snapshotter
