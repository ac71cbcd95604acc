#pragma once

#include "base/http/server.h"
#include "cache_index/cache.h"
#include "registry_proxy/conversions.h"
#include "registry_proxy/manifests.h"
#include "registry_proxy/source.h"
#include "registry_proxy/upstream.h"

namespace samara::registry_proxy {

/// What a site gives its nodes: the routes of peer/site_protocol.h.
/// Threads: any.
class SiteApi {
 public:
  /// Everything is borrowed.
  SiteApi(cache_index::Cache& cache, Upstreams& upstreams, Manifests& manifests, Conversions& conversions);

  /// Answers a request whose path begins with "/samara/".
  Source handle(const http::Request& request, http::ResponseWriter& out);

 private:
  Source answer_layer(const Digest& layer, const http::Target& target, http::ResponseWriter& out);
  Source answer_refresh(const http::Request& request, http::ResponseWriter& out);
  Source answer_object(const Digest& object, std::string_view range, http::ResponseWriter& out);
  absl::Status ask_for(const Digest& layer, const http::Target& target);

  cache_index::Cache& cache_;
  Upstreams& upstreams_;
  Manifests& manifests_;
  Conversions& conversions_;
};

}  // namespace samara::registry_proxy
