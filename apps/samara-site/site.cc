#include "site.h"

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "daemon.h"

namespace samara {

using registry_proxy::Source;

namespace {

SystemClock& system_clock() {
  static SystemClock clock;
  return clock;
}

registry_proxy::Upstreams::Options with_way(registry_proxy::Upstreams::Options options, Parent* parent) {
  if (parent != nullptr) options.way = parent->way();
  return options;
}

registry_proxy::Conversions::Options telling(registry_proxy::Conversions::Options options, registry_proxy::Standbys* standbys) {
  if (standbys != nullptr) options.on_ready = [standbys](const registry_proxy::BlobRef& layer) { standbys->tell(layer); };
  return options;
}

registry_proxy::ParentLayers* layers_of(const std::unique_ptr<Parent>& parent) {
  return parent == nullptr ? nullptr : &parent->layers;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Site>> Site::start(SiteOptions options) {
  std::vector<std::string> tables = registry_proxy::SiteApi::tables();
  for (std::string& table : peer::LayerOrigins::tables()) tables.push_back(std::move(table));
  for (std::string& table : peer::Swarm::tables()) tables.push_back(std::move(table));
  for (std::string& table : registry_proxy::StartTraces::tables()) tables.push_back(std::move(table));
  for (std::string& table : seed::Warming::tables()) tables.push_back(std::move(table));
  auto metrics = std::make_unique<Metrics>();
  const cache_index::Cache::Options cache_options{
      .root = options.root, .limits = options.cache_limits, .metrics = metrics.get()};
  SAMARA_ASSIGN_OR_RETURN(std::unique_ptr<cache_index::Cache> cache,
                          cache_index::Cache::open(cache_options, std::move(tables)));
  auto client = std::make_unique<http::Client>();
  SAMARA_ASSIGN_OR_RETURN(auto parent, Parent::create(options.parent, *cache, *client, system_clock(), *metrics));
  std::unique_ptr<registry_proxy::Standbys> standbys;
  if (!options.standbys.urls.empty()) {
    SAMARA_ASSIGN_OR_RETURN(const peer::SiteAccess access, peer::SiteAccess::create(options.standbys.access));
    standbys = std::make_unique<registry_proxy::Standbys>(*client, registry_proxy::Standbys::Options{.urls = options.standbys.urls}, access);
  }
  std::unique_ptr<Site> site(new Site(std::move(options), std::move(metrics), std::move(cache), std::move(client),
                                      std::move(parent), std::move(standbys)));
  SAMARA_RETURN_IF_ERROR(site->open_swarm());
  absl::StatusOr<cache_index::SigningKey> key = cache_index::SigningKey::load_or_create(site->options_.root + "/site.key");
  if (!key.ok()) return key.status();
  seed::NeighbourLists::Options neighbours;
  neighbours.knows = [parent = layers_of(site->parent_)](const Digest& blob) { return parent && parent->index_of(blob); };
  neighbours.may_have = site->may_have();
  site->neighbour_lists_.emplace(*site->cache_, site->clock_, *std::move(key), neighbours);
  site->cache_->start_eviction([borrowed = site.get()] { return borrowed->in_use(); });
  if (site->parent_)
    site->parent_->layers.start([borrowed = site.get()](const Digest& blob, bool) { borrowed->share_arriving(blob); });
  SAMARA_RETURN_IF_ERROR(site->open_seed());
  for (const ListenerOptions& listener : site->options_.listeners) SAMARA_RETURN_IF_ERROR(site->listen(listener));
  log::info("samara-site serves", {{"root", site->options_.root},
                                   {"upstreams", site->options_.upstreams.configured.size()}});
  return site;
}

absl::Status Site::listen(const ListenerOptions& options) {
  const bool tls = options.server.tls.has_value(), tokens = !options.access.tokens_file.empty();
  if (tokens && !tls && !http::is_loopback(options.server.listen))
    log::warning("tokens go over the network in the clear: no certificate is configured", {{"listen", options.server.listen}});
  Listener listener;
  SAMARA_ASSIGN_OR_RETURN(listener.access, registry_proxy::Access::create(options.access));
  const auto handle = [this, &access = *listener.access](const auto& request, auto& out) { answer(access, request, out); };
  SAMARA_ASSIGN_OR_RETURN(listener.server, http::Server::create(options.server, handle));
  log::info("samara-site listens", {{"listen", options.server.listen},
                                    {"port", listener.server->port()},
                                    {"tls", tls},
                                    {"certificates", options.access.certificates},
                                    {"tokens", tokens}});
  listeners_.push_back(std::move(listener));
  return absl::OkStatus();
}

absl::Status Site::open_swarm() {
  if (!options_.swarm.enabled) return absl::OkStatus();
  SAMARA_ASSIGN_OR_RETURN(swarm_, peer::Swarm::create(*cache_, metrics_, options_.swarm.swarm));
  grants_.emplace(seed::Grants::random_secret(), clock_);
  tracker_.emplace(clock_, seed::Tracker::Options());
  seed::Seeding::Options options;
  options.may_have = may_have();
  if (parent_) options.sources = [this] { return parent_->layers.blob_sources(); };
  seeding_.emplace(*cache_, *swarm_, *tracker_, *grants_, clock_, options);
  seeding_->start();
  return absl::OkStatus();
}

absl::Status Site::open_seed() {
  if (!options_.seed.enabled) return absl::OkStatus();
  const registry_proxy::Images images(*cache_, upstreams_, manifests_, blobs_, conversions_, start_traces_);
  const registry_proxy::ImageImport import(*cache_, upstreams_, manifests_, references_, entitlements_, start_traces_, clock_);
  seed_.emplace(options_.seed, swarm_.get(), parent_.get(), *cache_, images, import, client_, clock_, metrics_);
  return seed_->start();
}

std::function<bool(const http::Request&, const Digest&)> Site::may_have() {
  return [this](const http::Request& request, const Digest& blob) { return site_api_.may_have(request, blob); };
}

/// The nodes trade what has come, while the rest still comes. A parent without swarms leaves them to HTTP.
void Site::share_arriving(const Digest& blob) {
  if (!seeding_) return;
  const peer::LayerIndex index = parent_->layers.index_of(blob);
  if (index != nullptr && !swarm_->has_joined(blob) && index->info().blob_size >= peer::kMinSwarmBytes) {
    auto found = parent_->swarms.find(blob);
    const absl::Status shared = found.ok() ? seeding_->share_arriving(blob, std::move(found->pieces), index) : found.status();
    if (!shared.ok()) log::debug("an arriving blob isn't shared yet", {{"blob", blob.brief()}, {"error", shared}});
  }
  swarm_->look_again(blob);
}

/// What is on its way goes last, else it would come again and again.
cache_index::Cache::InUse Site::in_use() const {
  cache_index::Cache::InUse in_use;
  if (parent_) in_use.layers = parent_->layers.indexes();
  return in_use;
}

Site::Site(SiteOptions options, std::unique_ptr<Metrics> metrics, std::unique_ptr<cache_index::Cache> cache,
           std::unique_ptr<http::Client> client, std::unique_ptr<Parent> parent,
           std::unique_ptr<registry_proxy::Standbys> standbys)
    : options_(std::move(options)),
      own_metrics_(std::move(metrics)),
      metrics_(*own_metrics_),
      clock_(system_clock()),
      own_client_(std::move(client)),
      client_(*own_client_),
      cache_(std::move(cache)),
      parent_(std::move(parent)),
      standbys_(std::move(standbys)),
      upstreams_(with_way(options_.upstreams, parent_.get()), client_, clock_, metrics_),
      references_(cache_->store()),
      entitlements_(cache_->store(), upstreams_, clock_),
      blobs_(*cache_, upstreams_, references_, clock_, metrics_, options_.blobs),
      manifests_(*cache_, upstreams_, references_, clock_, metrics_, options_.manifests),
      conversions_(*cache_, blobs_, clock_, metrics_, telling(options_.conversions, standbys_.get()), layers_of(parent_)),
      layer_grants_(cache_->store(), clock_),
      mirror_(upstreams_, entitlements_, manifests_, blobs_, conversions_, options_.mirror),
      site_api_(*cache_, upstreams_, entitlements_, manifests_, blobs_, conversions_, layers_of(parent_), &layer_grants_),
      start_traces_(*cache_, parent_ == nullptr ? nullptr : &parent_->client) {}

Site::~Site() {
  upstreams_.stop();
  if (parent_) parent_->layers.stop();
  conversions_.stop();  // whoever waits for a layer or for bytes is answered, so that the server's threads end
  blobs_.stop();
  if (standbys_) standbys_->stop();
  if (seed_) seed_->stop();
  for (const Listener& listener : listeners_) listener.server->stop();
  if (seeding_) seeding_->stop();
  cache_->stop_eviction();
}

Source Site::answer_admitted(const http::Request& request, http::ResponseWriter& out) {
  const std::string& path = request.target.path;
  if (path == "/v2" || path.starts_with("/v2/")) return mirror_.handle(request, out);
  if (seeding_ && seeding_->handle(request, out)) return Source::kDisk;
  if (registry_proxy::StartTraces::is_ours(path)) return start_traces_.handle(request, out);
  if (neighbour_lists_->handle(request, out)) return Source::kNone;
  if (seed_ && seed_->handle(request, out)) return Source::kNone;
  if (path.starts_with("/samara/")) return site_api_.handle(request, out);
  // A client that left before the answer is no error of ours.
  (void)out.respond(404, "samara-site serves /v2/, /samara/, /console/, /healthz, /readyz and /metrics\n", "text/plain");
  return Source::kNone;
}

void Site::answer(const registry_proxy::Access& access, http::Request request, http::ResponseWriter& out) {
  const auto start = clock_.now();
  if (answer_health(request, out, [] { return absl::OkStatus(); })) return;
  const std::optional<std::string> client = access.admit(request);
  request.client = client.value_or("");
  if (client && answer_metrics(request, out, metrics_)) return;

  ObservedResponse observed(out, clock_);
  Source source = Source::kNone;
  if (client) {
    source = answer_admitted(request, observed);
  } else if (seeding_ && seed::Seeding::is_tracker(request) && seeding_->handle(request, observed)) {
    source = Source::kNone;  // a node's BitTorrent library: its token for the blob is what lets it in
  } else {
    access.refuse(request, observed);
  }

  access_log_.note(request, observed, source, start);
}

}  // namespace samara
