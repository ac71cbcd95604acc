#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "base/clock.h"
#include "base/http/server.h"
#include "cache_index/cache.h"
#include "peer/blob_sources.h"
#include "peer/swarm.h"
#include "peer/swarm_protocol.h"
#include "seed/grants.h"
#include "seed/tracker.h"

namespace samara::seed {

/// The site's part in swarms: gives what the site has whole, lets nodes in, and tells them of each other.
///
/// A blob is shared from the first time that a node asks for it (one read hashes its pieces, on a thread of its own),
/// and again after a restart. One that nobody asked for or announced for `idle` is paused until somebody does.
/// Threads: any; start() once.
class Seeding {
 public:
  struct Options {
    std::chrono::milliseconds idle{600'000};
    std::chrono::milliseconds check_idle{60'000};
    /// May whoever asks have the blob? Who may not is told that the site shares nothing of it. Null: everybody may.
    std::function<bool(const http::Request& request, const Digest& blob)> may_have = nullptr;
    /// Whence the site itself had what it read of blobs, for who asks what it shares. Null: it isn't told.
    std::function<std::map<Digest, peer::BlobSources::BySource>()> sources = nullptr;
  };
  /// Everything is borrowed.
  Seeding(cache_index::Cache& cache, peer::Swarm& swarm, Tracker& tracker, const Grants& grants, Clock& clock,
          const Options& options);
  ~Seeding() { stop(); }
  void start();
  void stop();

  /// Shares a blob of which only a part is here yet; look_again() of the swarm tells of more. `pieces`: the parent
  /// site's. OK at once for one that is shared.
  absl::Status share_arriving(const Digest& blob, peer::BlobPieces pieces, peer::LayerIndex index);

  /// Whether a request is one to the tracker, which asks for tokens of its own and for nothing else.
  static bool is_tracker(const http::Request& request);
  /// Answers the routes of peer/swarm_protocol.h; false when the request is for something else.
  bool handle(const http::Request& request, http::ResponseWriter& out);

  /// What a node at `node` gets that asks for the blob.
  peer::SwarmTicket ticket(const Digest& blob, std::string_view node);
  /// The bencoded answers of the tracker.
  std::string announce(const http::Target& target, std::string_view node);
  std::string scrape(const http::Target& target, std::string_view node);

 private:
  using TimePoint = std::chrono::steady_clock::time_point;
  struct Shared {
    peer::BlobPieces pieces;
    std::string swarm;  // the tracker's key
    TimePoint used;
    bool paused = false;
  };

  void work(std::stop_token stop);
  void share(const Digest& blob);
  absl::Status publish(const Digest& blob, peer::BlobPieces pieces, peer::LayerIndex index = nullptr);
  void touch(const Digest& blob);
  void pause_idle();

  cache_index::Cache& cache_;
  peer::Swarm& swarm_;
  Tracker& tracker_;
  const Grants& grants_;
  Clock& clock_;
  const Options options_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<Digest, Shared> shared_;
  std::map<std::string, Digest, std::less<>> by_swarm_;
  std::deque<Digest> queue_;   // to be hashed
  std::set<Digest> queued_;    // those, and the one under way
  std::jthread thread_;
};

}  // namespace samara::seed
