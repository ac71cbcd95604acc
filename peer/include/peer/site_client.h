#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/http/client.h"
#include "peer/range_source.h"
#include "peer/site_protocol.h"

namespace samara::peer {

/// The node's view of its site: what it knows of a layer, and its objects.
///
/// Several URLs are tried in order, starting with the one that answered last.
/// Threads: any.
class SiteClient final : public RangeSource {
 public:
  /// `client` is borrowed. `urls`: "http://host:port".
  SiteClient(http::Client& client, std::vector<std::string> urls);

  struct LayerQuery {
    Digest layer;
    std::string registry;    ///< "docker.io"; may be empty: the site then only answers from what it knows
    std::string repository;  ///< "library/python"
    std::uint64_t size = 0;  ///< compressed bytes, 0 when not known
    std::chrono::milliseconds wait{0};
  };
  /// Errors: Unavailable (no site answers), InvalidArgument (answered something else).
  absl::StatusOr<LayerStatus> layer_status(const LayerQuery& query, std::stop_token stop = {});

  /// Brings a whole object of a known size into the cache, digest verified. OK at once when it is there.
  absl::Status fetch_object(const Digest& object, std::uint64_t size, cache_index::Cache& cache,
                            std::stop_token stop = {});

  std::string_view name() const override { return "site"; }
  absl::Status fetch(const Digest& object, const ByteRange& range, std::stop_token stop,
                     const OnBytes& on_bytes) override;

 private:
  http::Client& client_;
  std::vector<std::string> urls_;
};

}  // namespace samara::peer
