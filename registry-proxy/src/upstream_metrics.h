#pragma once

#include "absl/status/status.h"
#include "base/metrics.h"
#include "registry_proxy/upstream.h"

namespace samara::registry_proxy {

/// What the requests to registries are counted as, over all of them.
/// Threads: any.
class UpstreamMetrics {
 public:
  /// `metrics` is borrowed.
  explicit UpstreamMetrics(Metrics& metrics) : metrics_(metrics) {}

  /// One request to one endpoint, redirects and the answer to a challenge included.
  void note_request(Upstream::Request::Kind kind, const absl::Status& outcome);
  /// Bytes of a body that was asked for.
  Metrics::Counter& bytes(Upstream::Request::Kind kind);
  void note_token(const absl::Status& outcome);
  /// Those who got what somebody else was fetching already: Metrics' "samara_site_joined_total".
  static Metrics::Counter& joined(Metrics& metrics, const char* kind);

 private:
  Metrics& metrics_;
};

}  // namespace samara::registry_proxy
