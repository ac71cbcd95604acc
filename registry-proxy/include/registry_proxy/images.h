#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "cache_index/cache.h"
#include "peer/warm_protocol.h"
#include "registry_proxy/blobs.h"
#include "registry_proxy/conversions.h"
#include "registry_proxy/manifests.h"
#include "registry_proxy/start_traces.h"
#include "registry_proxy/upstream.h"

namespace samara::registry_proxy {

/// Whole images by name, as they are placed on nodes ahead of use: what a name means for a platform, and the converted
/// form of all layers. The registry is asked in the site's own name: whoever may order this decides for the site.
/// Threads: any, many at once.
class Images {
 public:
  /// Everything is borrowed.
  Images(cache_index::Cache& cache, Upstreams& upstreams, Manifests& manifests, Blobs& blobs, Conversions& conversions,
         const StartTraces& traces)
      : cache_(cache), upstreams_(upstreams), manifests_(manifests), blobs_(blobs), conversions_(conversions), traces_(traces) {}

  /// Layers that are converted already have their records; nothing is converted for this.
  /// `platform`: "os/architecture[/variant]"; empty: this machine's.
  /// Errors: InvalidArgument (no name, no platform, no runnable image), NotFound (no such image, or none for the
  /// platform), those of Manifests::get() and Blobs::read().
  absl::StatusOr<peer::WarmImage> resolve(std::string_view name, std::string_view platform);

  struct Progress {
    std::uint64_t done = 0, total = 0;  ///< compressed bytes of all layers
    bool complete = false;
  };
  /// Has layers converted that aren't, and fills in the records of those that are. Returns at once.
  /// Errors: FailedPrecondition (a layer that can't be converted, or may not be), those of Blobs::check_reachable().
  absl::StatusOr<Progress> convert(peer::WarmImage& image);

  /// Is it known what its containers read while they start?
  bool has_trace(const peer::WarmImage& image) const { return traces_.find(peer::chain_id(image.diff_ids())).ok(); }

 private:
  std::uint64_t trace_bytes(const peer::WarmImage& image) const;
  void fill_in(peer::WarmImage& image) const;

  cache_index::Cache& cache_;
  Upstreams& upstreams_;
  Manifests& manifests_;
  Blobs& blobs_;
  Conversions& conversions_;
  const StartTraces& traces_;
};

}  // namespace samara::registry_proxy
