#pragma once

#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "base/http/client.h"
#include "parent_options.h"
#include "peer/layer_origins.h"
#include "peer/siblings.h"
#include "peer/site_client.h"
#include "peer/swarm_sites.h"
#include "registry_proxy/parent_layers.h"
#include "registry_proxy/upstream.h"

namespace samara {

/// What a site with a parent has more than others.
struct Parent {
  /// Everything is borrowed. Null: there is no parent. Errors: those of SiteAccess::create().
  static absl::StatusOr<std::unique_ptr<Parent>> create(const ParentOptions& options, cache_index::Cache& cache,
                                                        http::Client& client, Clock& clock, Metrics& metrics);

  /// How registries are asked by the parent; nullopt: they aren't.
  std::optional<registry_proxy::SiteWay> way();

  const ParentOptions options;
  const peer::SiteAccess access;
  peer::LayerOrigins origins;
  peer::SiteClient client;
  peer::SwarmSites swarms;  // whence the pieces of a blob are known before all of it is here
  peer::Link link;
  const std::unique_ptr<peer::Siblings> siblings;  // null: none
  registry_proxy::ParentLayers layers;

 private:
  Parent(const ParentOptions& options, peer::SiteAccess access, std::unique_ptr<peer::Siblings> siblings,
         cache_index::Cache& cache, http::Client& http, Clock& clock, Metrics& metrics);
};

}  // namespace samara
