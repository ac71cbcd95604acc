#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "cache_index/cache.h"
#include "registry_proxy/access.h"
#include "registry_proxy/images.h"
#include "seed/server.h"
#include "seed/warming.h"
#include "seed_options.h"

namespace samara {

/// A site's list of nodes and its warm jobs, over its registries and its converter.
/// Threads: made, started and stopped on main's.
class SiteSeed final : public seed::ImageSource {
 public:
  /// Everything but `options` is borrowed. `swarm`: nodes give to each other.
  SiteSeed(const SeedOptions& options, bool swarm, cache_index::Cache& cache, registry_proxy::Images images, const Clock& clock,
           Metrics& metrics);

  /// Errors: those of seed::Server::create() and registry_proxy::Access::create().
  absl::Status start();
  /// No new calls. The registries have been stopped before.
  void stop();
  bool handle(const http::Request& request, http::ResponseWriter& out) { return warming_.handle(request, out); }

  absl::StatusOr<peer::WarmImage> resolve(const seed::WarmWish& wish) override;
  absl::StatusOr<Progress> convert(const seed::WarmWish& wish, const peer::WarmImage& image) override;

 private:
  const SeedOptions options_;
  registry_proxy::Images images_;
  seed::Warming warming_;
  std::unique_ptr<registry_proxy::Access> access_;
  std::unique_ptr<seed::Server> server_;
};

}  // namespace samara
