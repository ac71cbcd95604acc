#pragma once

#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/http/client.h"
#include "base/http/server.h"
#include "base/metrics.h"
#include "cache_index/cache.h"
#include "cache_index/image_cache.h"
#include "fuse_fs/lazy_mount.h"
#include "fuse_fs/preloader.h"
#include "options.h"
#include "peer/chunk_fetcher.h"
#include "peer/neighbour_service.h"
#include "peer/neighbour_source.h"
#include "peer/site_client.h"
#include "peer/swarm_prefetch.h"
#include "snapshotter/node_images.h"
#include "snapshotter/server.h"
#include "snapshotter/snapshotter.h"
#include "snapshotter/start_traces.h"
#include "warmth.h"

namespace samara {

/// The only argument of the process that holds the mounts while no node runs.
inline constexpr std::string_view kHolderArgument = "holder";
/// ... and of the one that asks the mount for what containers will read.
inline constexpr std::string_view kPreloaderArgument = "preloader";

/// Ends the mounts that a node with these options left. FailedPrecondition or Unavailable while it runs.
absl::Status unmount(const NodeOptions& options);

/// A running node: cache, fetcher, FUSE mount and snapshotter, with their sockets.
/// Threads: made and destroyed on main's.
class Node {
 public:
  /// Errors: those of Cache::open(), LazyMount::create(), Metadata::open(), serve_snapshots() and Server::create().
  static absl::StatusOr<std::unique_ptr<Node>> start(NodeOptions options);
  /// No new calls, then no new fetches; the mount stays for the next process, or goes when nobody keeps it.
  ~Node();

 private:
  explicit Node(NodeOptions options) : options_(std::move(options)), started_(clock_.now()) {}
  absl::Status open_layers();
  absl::Status open_swarm();
  absl::Status open_snapshots();
  absl::Status serve();
  void answer(const http::Request& request, http::ResponseWriter& out);
  snapshotter::NodeStatus status();
  std::vector<snapshotter::ExplainedRead> explain(std::string_view container);
  void count_waiting();
  /// What an eviction leaves alone: the layers in the mount, whole while no site could bring them again.
  cache_index::Cache::InUse in_use();
  snapshotter::NodeStatus::Site probe(const std::string& url);
  peer::ChunkReader& background_reader();
  absl::Status open_neighbours();
  absl::Status serve_neighbours();
  std::vector<Digest> blobs_in_mount() const;
  void describe(peer::Heartbeat& beat);

  const NodeOptions options_;
  SystemClock clock_;
  const std::chrono::steady_clock::time_point started_;
  Metrics metrics_;
  http::Client client_;
  std::unique_ptr<cache_index::Cache> cache_;
  std::optional<peer::LayerOrigins> origins_;      // nothing without sites
  std::unique_ptr<peer::SiteClient> site_client_;  // null without sites
  std::unique_ptr<snapshotter::LayerSite> site_;   // the same
  std::optional<peer::Neighbours> neighbours_;  // nothing unless enabled, as the next two
  std::optional<peer::NeighbourSource> owners_, anybody_;
  fuse_fs::Preloader preloader_{{"/proc/self/exe", std::string(kPreloaderArgument)}};
  std::unique_ptr<peer::ChunkFetcher> fetcher_;
  std::optional<snapshotter::StartTraces> traces_;  // nullopt: switched off
  std::unique_ptr<fuse_fs::ConnectionKeeper> keeper_;  // null: mounts end with the process
  std::unique_ptr<peer::Swarm> swarm_;  // null unless enabled, as the next two
  std::optional<peer::SwarmSites> swarm_sites_;
  std::optional<peer::SwarmPrefetch> swarm_prefetch_;
  std::unique_ptr<fuse_fs::LazyMount> mount_;
  std::unique_ptr<snapshotter::Metadata> metadata_;
  std::optional<snapshotter::SnapshotDirectories> directories_;
  std::optional<snapshotter::LayerFinder> finder_;
  std::optional<snapshotter::BackgroundFetch> background_;
  std::optional<snapshotter::NodeImages> images_;
  std::optional<cache_index::ImageCache> image_cache_;
  std::optional<snapshotter::LazyLayers> layers_;
  std::unique_ptr<snapshotter::Snapshotter> snapshotter_;
  std::unique_ptr<Warmth> warmth_;  // null without sites
  std::unique_ptr<snapshotter::Server> snapshots_server_;
  std::unique_ptr<snapshotter::Server> node_server_;
  std::optional<peer::NeighbourService> neighbour_service_;
  std::unique_ptr<http::Server> neighbour_server_;
  std::unique_ptr<http::Server> http_server_;
};

}  // namespace samara
