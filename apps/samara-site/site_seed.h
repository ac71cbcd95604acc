#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "cache_index/cache.h"
#include "peer/swarm.h"
#include "registry_proxy/access.h"
#include "registry_proxy/images.h"
#include "seed/console.h"
#include "seed/server.h"
#include "seed/warming.h"
#include "seed_options.h"

namespace samara {

/// A site's list of nodes and its warm jobs, over its registries and its converter.
/// Threads: made, started and stopped on main's.
class SiteSeed final : public seed::ImageSource {
 public:
  /// Everything but `options` is borrowed; `swarm` is null where nodes don't give to each other.
  SiteSeed(const SeedOptions& options, const peer::Swarm* swarm, cache_index::Cache& cache, registry_proxy::Images images, const Clock& clock,
           Metrics& metrics);

  /// Errors: those of seed::Server::create() and registry_proxy::Access::create().
  absl::Status start();
  /// No new calls. The registries have been stopped before.
  void stop();
  bool handle(const http::Request& request, http::ResponseWriter& out) {
    return warming_.handle(request, out) || console_.handle(request, out);
  }

  absl::StatusOr<peer::WarmImage> resolve(const seed::WarmWish& wish) override;
  absl::StatusOr<Progress> convert(const seed::WarmWish& wish, const peer::WarmImage& image) override;

 private:
  seed::SiteFacts facts() const;

  const SeedOptions options_;
  const peer::Swarm* const swarm_;
  cache_index::Cache& cache_;
  registry_proxy::Images images_;
  seed::Warming warming_;
  seed::Console console_;
  std::unique_ptr<registry_proxy::Access> access_;
  std::unique_ptr<seed::Server> server_;
};

}  // namespace samara
