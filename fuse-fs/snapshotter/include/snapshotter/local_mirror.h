#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/http/server.h"
#include "cache_index/cache.h"

namespace samara::snapshotter {

/// The manifests and configs of the images that were warmed on this node, for its own containerd, as the first of its
/// mirrors: so that a warmed image starts while no site answers.
///
///   GET|HEAD /v2/
///   GET|HEAD /v2/<repository>/manifests/<tag or digest>?ns=<registry>
///   GET|HEAD /v2/<repository>/blobs/<digest of a config>?ns=<registry>
///
/// All else is 404: containerd asks its next mirror then. A name or digest is answered only when the site says the same
/// of it to this node without a pod's secret, or can't say: while it can, the site alone decides what is new and who may
/// read it.
/// Threads: any.
class LocalMirror {
 public:
  /// What "manifests/<tag or digest>" or "blobs/<digest>" names at the site: peer::WarmClient::named().
  using AskSite = std::function<absl::StatusOr<Digest>(const std::string& registry, const std::string& repository, const std::string& route)>;
  /// `cache` is borrowed; it has WarmPlacer::tables().
  LocalMirror(cache_index::Cache& cache, AskSite ask_site) : cache_(cache), ask_site_(std::move(ask_site)) {}

  /// False when the request is for something else.
  bool handle(const http::Request& request, http::ResponseWriter& out);

 private:
  absl::StatusOr<Digest> find(const std::string& registry, const std::string& repository, bool config, std::string_view reference);
  void give(const Digest& digest, bool config, http::ResponseWriter& out);

  cache_index::Cache& cache_;
  const AskSite ask_site_;
};

}  // namespace samara::snapshotter
