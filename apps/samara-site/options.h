#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/config.h"
#include "cache_index/cache.h"
#include "listener.h"
#include "parent_options.h"
#include "registry_proxy/blobs.h"
#include "registry_proxy/conversions.h"
#include "registry_proxy/manifests.h"
#include "registry_proxy/mirror.h"
#include "registry_proxy/upstream.h"
#include "seed_options.h"
#include "swarm_options.h"

namespace samara {

/// The options of samara-site; deploy/site.toml lists them with their meanings.
struct SiteOptions {
  std::vector<ListenerOptions> listeners;
  std::string root = "/var/lib/samara/site";
  cache_index::Cache::Limits cache_limits;
  registry_proxy::Upstreams::Options upstreams;
  registry_proxy::Blobs::Options blobs;
  registry_proxy::Manifests::Options manifests;
  registry_proxy::Mirror::Options mirror;
  registry_proxy::Conversions::Options conversions;
  SwarmOptions swarm;
  ParentOptions parent;
  StandbyOptions standbys;
  SeedOptions seed;
};

/// Errors: InvalidArgument, naming every option that is wrong.
absl::Status read_options(Config& config, SiteOptions& options);

}  // namespace samara
