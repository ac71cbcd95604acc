#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "cache_index/cache.h"
#include "parent.h"
#include "peer/swarm.h"
#include "peer/warm_client.h"
#include "registry_proxy/access.h"
#include "registry_proxy/image_import.h"
#include "registry_proxy/images.h"
#include "seed/console.h"
#include "seed/relay.h"
#include "seed/server.h"
#include "seed/warming.h"
#include "seed_options.h"

namespace samara {

/// A site's list of nodes and its warm jobs, over its registries and its converter.
/// Threads: made, started and stopped on main's.
class SiteSeed final : public seed::ImageSource {
 public:
  /// Everything but `options` is borrowed. `swarm` is null where nodes don't give to each other; `parent` where there is
  /// none: else its seed is told of the nodes here, and orders for them.
  SiteSeed(const SeedOptions& options, const peer::Swarm* swarm, Parent* parent, cache_index::Cache& cache, registry_proxy::Images images,
           registry_proxy::ImageImport import, http::Client& client, const Clock& clock, Metrics& metrics);

  /// Errors: those of seed::Server::create() and registry_proxy::Access::create().
  absl::Status start();
  /// No new calls. The registries have been stopped before.
  void stop();
  bool handle(const http::Request& request, http::ResponseWriter& out) {
    return warming_.handle(request, out) || console_.handle(request, out);
  }

  absl::StatusOr<peer::WarmImage> resolve(const seed::WarmWish& wish) override;
  absl::StatusOr<Progress> convert(const seed::WarmWish& wish, const peer::WarmImage& image) override;
  std::uint64_t lacking(const peer::WarmImage& image) override;

 private:
  seed::SiteFacts facts() const;
  void add_relay(const std::string& url, http::Client& client, const Clock& clock);
  void describe(peer::SiteBeat& beat) const;

  const SeedOptions options_;
  const peer::Swarm* const swarm_;
  Parent* const parent_;
  cache_index::Cache& cache_;
  registry_proxy::Images images_;
  registry_proxy::ImageImport import_;
  seed::Warming warming_;
  seed::Console console_;
  std::stop_source stop_;
  std::vector<std::unique_ptr<peer::WarmClient>> above_;
  std::vector<std::unique_ptr<seed::Relay>> relays_;  // one for each of them
  std::unique_ptr<registry_proxy::Access> access_;
  std::unique_ptr<seed::Server> server_;
};

}  // namespace samara
