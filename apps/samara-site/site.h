#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "access_log.h"
#include "base/clock.h"
#include "base/http/client.h"
#include "base/http/server.h"
#include "base/metrics.h"
#include "cache_index/cache.h"
#include "options.h"
#include "parent.h"
#include "registry_proxy/access.h"
#include "registry_proxy/site_api.h"
#include "registry_proxy/standbys.h"
#include "registry_proxy/start_traces.h"
#include "seed/neighbour_lists.h"
#include "seed/seeding.h"
#include "site_seed.h"

namespace samara {

/// A running site: the mirror, the conversions and what nodes ask for, over one cache, on one address or several.
/// Threads: made and destroyed on main's; requests come on the server's.
class Site {
 public:
  /// Errors: those of Cache::open(), Access::create() and http::Server::create().
  static absl::StatusOr<std::unique_ptr<Site>> start(SiteOptions options);
  /// Cancels downloads and conversions under way, then waits for the requests.
  ~Site();

 private:
  Site(SiteOptions options, std::unique_ptr<Metrics> metrics, std::unique_ptr<cache_index::Cache> cache,
       std::unique_ptr<http::Client> client, std::unique_ptr<Parent> parent,
       std::unique_ptr<registry_proxy::Standbys> standbys);
  cache_index::Cache::InUse in_use() const;
  void share_arriving(const Digest& blob);
  std::function<bool(const http::Request&, const Digest&)> may_have();
  absl::Status open_swarm();
  absl::Status open_seed();
  absl::Status listen(const ListenerOptions& options);
  void answer(const registry_proxy::Access& access, http::Request request, http::ResponseWriter& out);
  registry_proxy::Source answer_admitted(const http::Request& request, http::ResponseWriter& out);

  const SiteOptions options_;
  const std::unique_ptr<Metrics> own_metrics_;  // made before the cache, which counts in it
  Metrics& metrics_;
  SystemClock& clock_;
  AccessLog access_log_{metrics_, clock_};
  const std::unique_ptr<http::Client> own_client_;
  http::Client& client_;
  std::unique_ptr<cache_index::Cache> cache_;
  const std::unique_ptr<Parent> parent_;  // null: none
  const std::unique_ptr<registry_proxy::Standbys> standbys_;  // null: none
  registry_proxy::Upstreams upstreams_;
  registry_proxy::References references_;
  registry_proxy::Entitlements entitlements_;
  registry_proxy::Blobs blobs_;
  registry_proxy::Manifests manifests_;
  registry_proxy::Conversions conversions_;
  registry_proxy::LayerGrants layer_grants_;
  registry_proxy::Mirror mirror_;
  registry_proxy::SiteApi site_api_;
  registry_proxy::StartTraces start_traces_;

  std::unique_ptr<peer::Swarm> swarm_;  // null unless enabled, as the next three
  std::optional<seed::Grants> grants_;
  std::optional<seed::Tracker> tracker_;
  std::optional<seed::Seeding> seeding_;

  struct Listener {
    std::unique_ptr<registry_proxy::Access> access;
    std::unique_ptr<http::Server> server;
  };
  std::optional<seed::NeighbourLists> neighbour_lists_;
  std::optional<SiteSeed> seed_;  // nothing unless enabled
  std::vector<Listener> listeners_;
};

}  // namespace samara
