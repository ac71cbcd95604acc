#include "node.h"

#include <algorithm>

#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "peer/swarm_states.h"
#include "daemon.h"

namespace samara {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kProbePatience{1'000};

std::string mountpoint(const NodeOptions& options) { return options.root + "/l"; }

absl::StatusOr<std::unique_ptr<fuse_fs::ConnectionKeeper>> make_keeper(const NodeOptions& options) {
  if (options.holder == HolderKind::kNone) return nullptr;
  if (options.holder != HolderKind::kProcess) {
    std::unique_ptr<fuse_fs::ConnectionKeeper> systemd = fuse_fs::systemd_keeper();
    if (systemd != nullptr) return systemd;
    if (options.holder == HolderKind::kSystemd) {
      return absl::FailedPreconditionError("holder.kind is systemd, but no service manager takes notices");
    }
  }
  return fuse_fs::holder_keeper({.socket = options.root + "/holder.sock",
                                 .command = {"/proc/self/exe", std::string(kHolderArgument)},
                                 .abort_after = options.abort_after});
}

fuse_fs::LazyMount::Options mount_options(const NodeOptions& options, fuse_fs::ConnectionKeeper* keeper) {
  fuse_fs::LazyMount::Options mount;
  mount.mountpoint = mountpoint(options);
  mount.keeper = keeper;
  mount.records = options.root + "/connections";
  return mount;
}

double counted(Metrics& metrics, const char* source) {
  return metrics.counter("samara_fetched_bytes_total", "Bytes of frames and indexes that came from a source",
                         {{"source", source}})
      .value();
}

}  // namespace

absl::Status unmount(const NodeOptions& options) {
  SAMARA_RETURN_IF_ERROR(make_directories(options.root));
  SAMARA_ASSIGN_OR_RETURN(const auto keeper, make_keeper(options));
  return fuse_fs::unmount_kept(mount_options(options, keeper.get()));
}

absl::StatusOr<std::unique_ptr<Node>> Node::start(NodeOptions options) {
  std::unique_ptr<Node> node(new Node(std::move(options)));
  SAMARA_RETURN_IF_ERROR(node->open_layers());
  SAMARA_RETURN_IF_ERROR(node->open_swarm());
  SAMARA_RETURN_IF_ERROR(node->open_snapshots());
  SAMARA_RETURN_IF_ERROR(node->mount_->serve());
  SAMARA_RETURN_IF_ERROR(node->serve());
  if (node->keeper_) node->keeper_->serving();
  const absl::Status told = fuse_fs::notify_service_manager("READY=1");
  if (!told.ok()) log::warning("the service manager can't be told", {{"error", told}});
  log::info("samara-node serves", {{"snapshotter", node->options_.snapshotter_socket},
                                   {"root", node->options_.root},
                                   {"http", node->http_server_->port()},
                                   {"snapshots", node->snapshotter_->count()},
                                   {"layers", node->metadata_->lazy_layers().size()}});
  return node;
}

absl::Status Node::open_layers() {
  std::vector<std::string> tables = snapshotter::Metadata::tables();
  for (std::string& table : snapshotter::StartTraces::tables()) tables.push_back(std::move(table));
  for (std::string& table : peer::LayerOrigins::tables()) tables.push_back(std::move(table));
  for (std::string& table : peer::Neighbours::tables()) tables.push_back(std::move(table));
  for (std::string& table : peer::Swarm::tables()) tables.push_back(std::move(table));
  for (std::string& table : snapshotter::WarmPlacer::tables()) tables.push_back(std::move(table));
  const cache_index::Cache::Options cache{
      .root = options_.root, .limits = options_.cache_limits, .clock = &clock_, .metrics = &metrics_};
  SAMARA_ASSIGN_OR_RETURN(cache_, cache_index::Cache::open(cache, std::move(tables)));
  std::vector<peer::RangeSource*> sources;
  SAMARA_RETURN_IF_ERROR(open_neighbours());
  if (owners_) sources.push_back(&*owners_);
  if (!options_.sites.empty()) {
    absl::StatusOr<peer::SiteAccess> access = peer::SiteAccess::create(options_.site);
    if (!access.ok()) return access.status();
    site_client_ = std::make_unique<peer::SiteClient>(client_, options_.sites, *std::move(access));
    if (owners_) site_client_->has_neighbours();
    site_client_->remembers(origins_.emplace(*cache_));
    site_ = snapshotter::make_layer_site(*site_client_, *cache_);
    sources.push_back(site_client_.get());
  }
  if (anybody_) sources.push_back(&*anybody_);
  fetcher_ = peer::ChunkFetcher::create(*cache_, sources, metrics_, clock_, options_.fetcher);
  peer::ChunkReader* reader = fetcher_.get();
  if (options_.learn) {
    snapshotter::StartTraces::Parts parts{.store = cache_->store(),
                                          .site = site_.get(),
                                          .reader = *fetcher_,
                                          .has_chunk = [this](const Digest& chunk) { return cache_->has_chunk(chunk); },
                                          .load = nullptr,
                                          .clock = clock_};
    if (options_.preload) parts.load = [this](const auto& load) { preloader_.load(load.root, load.path, load.offset, load.size); };
    reader = &traces_.emplace(parts, options_.traces);
  }
  SAMARA_ASSIGN_OR_RETURN(keeper_, make_keeper(options_));
  fuse_fs::LazyMount::Options mount = mount_options(options_, keeper_.get());
  mount.watcher = traces_ ? &*traces_ : nullptr;
  mount.preloader = &preloader_;
  SAMARA_ASSIGN_OR_RETURN(mount_, fuse_fs::LazyMount::create(mount, *reader, metrics_));
  return absl::OkStatus();
}

absl::Status Node::open_neighbours() {
  if (!options_.neighbours || options_.sites.empty()) return absl::OkStatus();
  absl::StatusOr<peer::SiteAccess> access = peer::SiteAccess::create(options_.site);
  if (!access.ok()) return access.status();
  peer::Neighbours::Options options;
  options.blobs = [this] { return blobs_in_mount(); };
  options.store = &cache_->store();
  options.url = str_cat(options_.neighbours_server.tls ? "https://" : "http://", options_.neighbours_server.listen);
  neighbours_.emplace(client_, options_.sites, *std::move(access), clock_, options);
  owners_.emplace(client_, *neighbours_, peer::NeighbourSource::Who::kOwners);
  anybody_.emplace(client_, *neighbours_, peer::NeighbourSource::Who::kAnybody);
  return absl::OkStatus();
}

absl::Status Node::open_swarm() {
  if (!options_.swarm.enabled) return absl::OkStatus();
  SAMARA_ASSIGN_OR_RETURN(swarm_, peer::Swarm::create(*cache_, metrics_, options_.swarm.swarm));
  absl::StatusOr<peer::SiteAccess> access = peer::SiteAccess::create(options_.site);
  if (!access.ok()) return access.status();
  swarm_sites_.emplace(client_, options_.sites, *std::move(access));
  swarm_prefetch_.emplace(*fetcher_, *swarm_sites_, *swarm_, clock_, peer::SwarmPrefetch::Options());
  swarm_prefetch_->start(*cache_);
  return absl::OkStatus();
}

peer::ChunkReader& Node::background_reader() {
  if (swarm_prefetch_) return *swarm_prefetch_;
  return *fetcher_;
}

absl::Status Node::open_snapshots() {
  SAMARA_ASSIGN_OR_RETURN(metadata_, snapshotter::Metadata::open(cache_->store(), clock_));
  SAMARA_ASSIGN_OR_RETURN(snapshotter::SnapshotDirectories directories,
                          snapshotter::SnapshotDirectories::open(options_.root + "/s"));
  directories_.emplace(std::move(directories));
  finder_.emplace(*cache_, site_.get(), clock_, metrics_, options_.finder);
  if (options_.background_fetch) {
    background_.emplace(
        background_reader(), [this] { return fetcher_->since_blocking_fetch(); },
        [this](const Digest& chunk) { return cache_->has_chunk(chunk); }, clock_, options_.background,
        [pressure = snapshotter::Pressure(options_.pressure)] { return pressure.is_high(); });
  }
  images_.emplace(cache_->store(), [this] { return layers_->layer_digests(); });
  image_cache_.emplace(*cache_, *images_, clock_);
  layers_.emplace(*finder_, *mount_, *cache_, *metadata_, background_ ? &*background_ : nullptr, &*images_);
  SAMARA_ASSIGN_OR_RETURN(snapshotter_, snapshotter::Snapshotter::create(
                                            {*metadata_, *directories_, *layers_, *finder_, metrics_, clock_,
                                             traces_ ? &*traces_ : nullptr}));
  cache_->start_eviction([this] { return in_use(); });  // from here on the layers in the mount are known
  if (traces_) traces_->run();
  if (background_) background_->start();
  return absl::OkStatus();
}

cache_index::Cache::InUse Node::in_use() {
  cache_index::Cache::InUse in_use = layers_->in_use();
  if (options_.swarm.enabled) {  // other nodes may be given pieces out of these blobs' files
    for (const Digest& blob : blobs_in_mount()) in_use.objects.push_back(blob);
  }
  in_use.layers_stay = std::none_of(options_.sites.begin(), options_.sites.end(),
                                    [this](const std::string& url) { return probe(url).answers; });
  return in_use;
}

std::vector<Digest> Node::blobs_in_mount() const {
  std::vector<Digest> blobs;
  for (const peer::LayerIndex& layer : layers_->in_use().layers) blobs.push_back(layer->info().blob);
  return blobs;
}

absl::Status Node::serve_neighbours() {
  if (!neighbours_) return absl::OkStatus();
  const auto find_layer = [this](const Digest& blob) -> peer::LayerIndex {
    for (peer::LayerIndex& layer : layers_->in_use().layers)
      if (layer->info().blob == blob) return std::move(layer);
    return nullptr;
  };
  neighbour_service_.emplace(*cache_, *fetcher_, *neighbours_, find_layer, metrics_, options_.neighbours_service);
  SAMARA_ASSIGN_OR_RETURN(neighbour_server_,
                          http::Server::create(options_.neighbours_server, [this](const auto& request, auto& out) {
                            neighbour_service_->handle(request, out);
                          }));
  neighbours_->start();
  return absl::OkStatus();
}

absl::Status Node::serve() {
  SAMARA_ASSIGN_OR_RETURN(node_server_, snapshotter::serve_node(
                                            {.status = [this] { return status(); },
                                             .cache = *cache_,
                                             .images = &*image_cache_,
                                             .traces = traces_ ? &*traces_ : nullptr,
                                             .explain = [this](std::string_view container) { return explain(container); }},
                                            options_.node_socket));
  SAMARA_RETURN_IF_ERROR(serve_neighbours());
  if (site_client_) {
    SAMARA_ASSIGN_OR_RETURN(warmth_, Warmth::create(options_, {.client = client_,
                                                               .site = *site_client_,
                                                               .cache = *cache_,
                                                               .origins = *origins_,
                                                               .background = background_reader(),
                                                               .clock = clock_,
                                                               .describe = [this](peer::Heartbeat& beat) { describe(beat); }}));
    warmth_->start();
  }
  SAMARA_ASSIGN_OR_RETURN(snapshots_server_,
                          snapshotter::serve_snapshots(*snapshotter_, options_.snapshotter_socket));
  SAMARA_ASSIGN_OR_RETURN(http_server_, http::Server::create(options_.server, [this](const auto& request, auto& out) {
                            answer(request, out);
                          }));
  return absl::OkStatus();
}

Node::~Node() {
  if (http_server_) http_server_->stop();
  if (neighbour_server_) neighbour_server_->stop();
  if (warmth_) warmth_->stop();
  if (neighbours_) neighbours_->stop();
  if (finder_) finder_->stop();  // a Prepare that waits for the site is answered, so that its server can stop
  if (snapshots_server_) snapshots_server_->stop();
  if (node_server_) node_server_->stop();
  if (background_) background_->stop();
  if (traces_) traces_->stop();
  preloader_.stop();
  if (swarm_prefetch_) swarm_prefetch_->stop();
  if (cache_) cache_->stop_eviction();
}

std::vector<snapshotter::ExplainedRead> Node::explain(std::string_view container) {
  return snapshotter::explain(container, *mount_, *layers_,
                              [this](const Digest& chunk) { return fetcher_->slow_fetch(chunk); });
}

void Node::count_waiting() {
  const fuse_fs::LazyMount::Waiting waiting = mount_->waiting();
  metrics_.gauge("samara_fuse_waiting_reads", "Reads that wait for bytes now").set(static_cast<double>(waiting.reads));
  metrics_.gauge("samara_fuse_hung_reads", "Reads that have waited for bytes for 10 s").set(static_cast<double>(waiting.hung));
}

void Node::answer(const http::Request& request, http::ResponseWriter& out) {
  if (request.target.path == "/metrics") count_waiting();
  // Whoever can connect finds everything started: this server comes last and goes first.
  if (answer_health(request, out, [] { return absl::OkStatus(); }) || answer_metrics(request, out, metrics_)) return;
  if (warmth_ && warmth_->handle(request, out)) return;
  // A client that left before the answer is no error of ours.
  if (request.target.path == peer::kSwarmsPath) {
    (void)out.respond(200, peer::encode(swarm_ ? swarm_->states() : peer::Swarm::States(), fetcher_->blob_sources()), "text/plain");
    return;
  }
  (void)out.respond(404, "samara-node serves /v2/, /healthz, /readyz, /metrics and /samara/v1/swarms\n", "text/plain");
}

void Node::describe(peer::Heartbeat& beat) {
  beat.layers = metadata_->lazy_layers().size();
  beat.waiting_reads = mount_->waiting().reads;
  const auto slow = mount_->slow_reads();
  beat.slow_reads = slow.size();
  for (const auto& read : slow) beat.slowest_read_ms = std::max(beat.slowest_read_ms, static_cast<std::uint64_t>(read.took.count()));
  if (traces_) {
    const auto times = traces_->times();
    beat.starts = times.count;
    beat.start_ms = static_cast<std::uint64_t>(times.median.count());
    beat.longest_start_ms = static_cast<std::uint64_t>(times.longest.count());
  }
  beat.from_site = static_cast<std::uint64_t>(counted(metrics_, "site") + counted(metrics_, "site-indexes"));
  beat.from_swarm = static_cast<std::uint64_t>(counted(metrics_, "swarm"));
  beat.from_neighbours = static_cast<std::uint64_t>(counted(metrics_, "neighbours"));
}

snapshotter::NodeStatus Node::status() {
  snapshotter::NodeStatus status;
  status.version = SAMARA_VERSION;
  status.uptime = std::chrono::duration_cast<std::chrono::seconds>(clock_.now() - started_);
  status.mountpoint = mountpoint(options_);
  for (const std::string& url : options_.sites) status.sites.push_back(probe(url));
  status.layers = layers_->states();
  status.bytes_fetched = static_cast<std::uint64_t>(counted(metrics_, "site") + counted(metrics_, "site-indexes") +
                                                    counted(metrics_, "swarm") + counted(metrics_, "neighbours"));
  if (background_) status.background = background_->progress();
  status.snapshots = snapshotter_->count();
  const fuse_fs::LazyMount::Waiting waiting = mount_->waiting();
  status.waiting_reads = waiting.reads;
  status.hung_reads = waiting.hung;
  status.slow_reads = mount_->slow_reads().size();
  status.takeovers = static_cast<std::uint64_t>(
      metrics_.counter("samara_fuse_takeovers_total", "Connections taken over from an earlier process.").value());
  if (traces_) status.known_starts = traces_->find("").value_or(std::vector<snapshotter::StartTraces::Known>()).size();
  return status;
}

snapshotter::NodeStatus::Site Node::probe(const std::string& url) {
  http::ClientRequest request = site_client_->request_for(url + "/healthz");
  request.connect_timeout = kProbePatience;
  request.idle_timeout = kProbePatience;
  const absl::StatusOr<http::Response> response = client_.get(request);
  if (!response.ok()) return {url, false, std::string(response.status().message())};
  if (response->head.status == 200) return {url, true, ""};
  return {url, false, str_cat("HTTP ", response->head.status)};
}

}  // namespace samara
