#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/http/message.h"

namespace samara::seed {

/// One announce, checked.
struct Announce {
  enum class Event { kNone, kStarted, kCompleted, kStopped };
  std::string swarm;    ///< 20 bytes
  std::string address;  ///< 4 or 16 bytes: where the request came from, whatever it says
  std::uint16_t port = 0;
  std::uint64_t left = 0;  ///< bytes that the node misses; 0: it has all
  Event event = Event::kNone;
  std::size_t wanted = 50;  ///< peers
};

/// Reads an announce of the node at `host` (numeric). InvalidArgument for what isn't one.
/// Source: BEP 3, "Trackers".
absl::StatusOr<Announce> parse_announce(const http::Target& target, std::string_view host);

/// Who takes part in which swarm, in memory: a peer that isn't heard of for a while is forgotten.
///
/// Only swarms that were opened are tracked, and a peer is handed out only at the address it announced from, so
/// nobody can send nodes to a third machine. Peers are picked at random, so that many that start at once mix, and a
/// node that has all isn't sent to others that have all.
/// Threads: any.
class Tracker {
 public:
  struct Options {
    std::size_t max_peers = 10'000;         ///< of one swarm; more are answered and not kept
    std::size_t max_peers_of_address = 64;  ///< of one swarm; nodes behind one address
    std::size_t max_answer = 50;            ///< peers
    std::chrono::seconds busy{10};          ///< announce interval while anybody misses something ...
    std::chrono::seconds quiet{900};        ///< ... and when nobody does
  };
  /// `clock` is borrowed. The same `seed` makes the same picks.
  Tracker(const Clock& clock, const Options& options, std::uint64_t seed = std::random_device{}())
      : clock_(clock), options_(options), random_(seed) {}

  /// From now on the swarm is tracked. `swarm`: 20 bytes.
  void open(std::string_view swarm);
  void close(std::string_view swarm);

  /// The bencoded answer. NotFound for a swarm that isn't tracked.
  absl::StatusOr<std::string> announce(const Announce& announce);
  /// The bencoded answer about those of `swarms` that are tracked. Source: BEP 48.
  std::string scrape(const std::vector<std::string_view>& swarms);

  struct Counts {
    std::size_t complete = 0, incomplete = 0;
    std::uint64_t downloaded = 0;  ///< how often somebody told to have become complete
  };
  /// Zeros for a swarm that isn't tracked.
  Counts counts(std::string_view swarm);

 private:
  using TimePoint = std::chrono::steady_clock::time_point;
  struct Peer {
    bool complete = false;
    TimePoint until;
  };
  struct Swarm {
    std::unordered_map<std::string, Peer> peers;        // by endpoint: address and port, big-endian, as on the wire
    std::unordered_map<std::string, std::size_t> of_address;
    std::size_t complete = 0;
    std::uint64_t downloaded = 0;
    TimePoint swept;
  };

  void forget_old(Swarm& swarm);
  void erase(Swarm& swarm, const std::string& endpoint);
  bool may_keep(const Swarm& swarm, const Announce& announce) const;
  std::vector<std::string> pick(const Swarm& swarm, const Announce& announce, const std::string& self);

  const Clock& clock_;
  const Options options_;
  std::mutex mutex_;
  std::mt19937_64 random_;
  std::map<std::string, Swarm, std::less<>> swarms_;
};

/// An answer that says why not, as trackers do: in an HTTP 200.
std::string tracker_failure(std::string_view reason);

}  // namespace samara::seed
