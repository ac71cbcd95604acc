#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>

#include "absl/status/statusor.h"
#include "peer/site_client.h"

namespace samara::snapshotter {

/// What the snapshotter asks of its site. testing/fake_layer_site.h is the other one.
/// Threads: any, many at once.
class LayerSite {
 public:
  virtual ~LayerSite() = default;
  /// As peer::SiteClient::layer_status().
  virtual absl::StatusOr<peer::LayerStatus> layer_status(const peer::SiteClient::LayerQuery& query,
                                                         std::stop_token stop) = 0;
  /// Brings the object into the node's cache, digest checked.
  virtual absl::Status fetch_object(const Digest& object, std::uint64_t size, std::stop_token stop) = 0;
  /// As peer::SiteClient's.
  virtual absl::StatusOr<peer::StartTrace> start_trace(const Digest& chain, std::stop_token stop) = 0;
  virtual absl::Status report_start(const peer::StartTrace& start, std::stop_token stop) = 0;
};

/// Both are borrowed.
std::unique_ptr<LayerSite> make_layer_site(peer::SiteClient& client, cache_index::Cache& cache);

}  // namespace samara::snapshotter
