#pragma once

#include <functional>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/http/client.h"
#include "cache_index/cache.h"
#include "options.h"
#include "peer/site_client.h"
#include "peer/warm_client.h"
#include "snapshotter/heartbeats.h"
#include "snapshotter/local_mirror.h"
#include "snapshotter/warm_placer.h"

namespace samara {

/// A node's part in warm jobs: tells its sites that it lives, places what they order, names it without them.
/// Threads: made, started and stopped on main's.
class Warmth final : public snapshotter::WarmSite {
 public:
  struct Parts {
    http::Client& client;
    peer::SiteClient& site;
    cache_index::Cache& cache;
    peer::LayerOrigins& origins;
    peer::ChunkReader& background;
    Clock& clock;
    std::function<void(peer::Heartbeat&)> describe;  ///< adds what only the node knows
  };
  /// Errors: those of peer::SiteAccess::create().
  static absl::StatusOr<std::unique_ptr<Warmth>> create(const NodeOptions& options, Parts parts);

  void start();
  void stop();
  bool handle(const http::Request& request, http::ResponseWriter& out) { return mirror_.handle(request, out); }

  absl::StatusOr<peer::WarmImage> image(const Digest& manifest, std::stop_token stop) override;
  absl::Status fetch_object(const Digest& object, std::uint64_t size, std::stop_token stop) override;
  absl::StatusOr<peer::StartTrace> start_trace(const Digest& chain, std::stop_token stop) override;

 private:
  Warmth(const NodeOptions& options, Parts parts, const peer::SiteAccess& access);
  peer::Heartbeat describe();
  absl::StatusOr<peer::HeartbeatAnswer> tell(std::size_t site, const peer::Heartbeat& heartbeat);
  void note(std::size_t site, bool is_silent);
  bool is_silent(std::size_t site) const;
  absl::StatusOr<Digest> ask_sites(const std::string& registry, const std::string& repository, const std::string& route);

  const NodeOptions& options_;
  const Parts parts_;
  std::vector<std::unique_ptr<peer::WarmClient>> sites_;
  snapshotter::WarmPlacer placer_;
  snapshotter::LocalMirror mirror_;
  snapshotter::Heartbeats heartbeats_;
  std::stop_source stop_;
  mutable std::mutex mutex_;  // guards what follows
  std::vector<std::chrono::steady_clock::time_point> silent_until_;  // by site
};

}  // namespace samara
