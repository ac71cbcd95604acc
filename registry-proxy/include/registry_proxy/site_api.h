#pragma once

#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/http/server.h"
#include "cache_index/cache.h"
#include "registry_proxy/blobs.h"
#include "registry_proxy/conversions.h"
#include "registry_proxy/entitlements.h"
#include "registry_proxy/layer_grants.h"
#include "registry_proxy/manifests.h"
#include "registry_proxy/source.h"
#include "registry_proxy/upstream.h"

namespace samara::registry_proxy {

/// What a site gives its nodes: the routes of peer/site_protocol.h; and to its operator, pins (src/pin_routes.h).
///
/// A layer's status is for whoever may read its repository: by Entitlements, a node also because it has brought a pull of
/// somebody who may. What isn't is a failed layer to the node, which then pulls ordinarily. Objects are the indexes and
/// blobs of converted layers and nothing else; their digests, which only a status tells, are what it takes to have them.
/// Threads: any.
class SiteApi {
 public:
  /// Every table of the cache's store that the parts of a site use; pass them to Cache::open().
  static std::vector<std::string> tables();
  /// Everything is borrowed. `parent`: null without a parent site; `grants`: null where
  /// nobody wants to know.
  SiteApi(cache_index::Cache& cache, Upstreams& upstreams, Entitlements& entitlements, Manifests& manifests, Blobs& blobs,
          Conversions& conversions, ParentLayers* parent = nullptr, LayerGrants* grants = nullptr);

  /// May whoever asks have the blob of a converted layer from the other nodes of the site? Who was told of the layer
  /// may, and who may read the repository that it came from. May ask the registry.
  bool may_have(const http::Request& request, const Digest& blob);

  /// Answers a request whose path begins with "/samara/".
  Source handle(const http::Request& request, http::ResponseWriter& out);

 private:
  Source answer_layer(const Digest& layer, const http::Request& request, http::ResponseWriter& out);
  peer::LayerStatus status_for(const Repository& repository, const Digest& layer, const http::Request& request);
  Source answer_refresh(const http::Request& request, http::ResponseWriter& out);
  Source answer_object(const Digest& object, const http::Request& request, http::ResponseWriter& out);
  absl::Status ask_for(const BlobRef& layer);
  bool is_of_a_layer(const Digest& object);

  cache_index::Cache& cache_;
  Upstreams& upstreams_;
  Entitlements& entitlements_;
  Manifests& manifests_;
  Blobs& blobs_;
  Conversions& conversions_;
  ParentLayers* const parent_;
  LayerGrants* const grants_;
  std::mutex mutex_;
  std::set<Digest> of_layers_;  // indexes and blobs; grows with what is converted
};

}  // namespace samara::registry_proxy
