#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/http/client.h"
#include "peer/chunk_reader.h"
#include "peer/layer_origins.h"
#include "peer/range_source.h"
#include "peer/site_access.h"
#include "peer/site_protocol.h"
#include "peer/start_trace.h"

namespace samara::peer {

/// The node's view of its site: what it knows of a layer, and its objects.
///
/// Several URLs are tried in order, starting with the one that answered last; a transfer that breaks goes on where it
/// broke. Every error names the URL, and the HTTP status where there is one.
/// An object that none of them has, of a layer whose origin is known: the first that hasn't got it is asked for that layer,
/// so that it makes what another one made, and the object is Unavailable meanwhile.
/// Threads: any.
class SiteClient final : public RangeSource {
 public:
  /// `client` is borrowed. `urls`: "http://host:port" or "https://host:port", at least one.
  SiteClient(http::Client& client, std::vector<std::string> urls, SiteAccess access = {});

  /// From now on sites are told that neighbours may be asked for ranges too. Before the first fetch().
  void has_neighbours() { has_neighbours_ = true; }

  /// Borrowed: what is learned of layers is noted there, and used for what a site hasn't got. Before the first use.
  void remembers(LayerOrigins& origins) { origins_ = &origins; }

  /// A GET of a URL of the site, with what it wants to see of us.
  http::ClientRequest request_for(const std::string& url, const std::stop_token& stop = {}) const;

  struct LayerQuery {
    Digest layer;
    std::string registry{};    ///< "docker.io"; empty: the site knows nothing then
    std::string repository{};  ///< "library/python"
    std::uint64_t size = 0;  ///< compressed bytes, 0 when not known
    std::chrono::milliseconds wait{0};
  };
  /// Errors: Unavailable (no site answers, or it doesn't let us in), InvalidArgument (answered something else).
  absl::StatusOr<LayerStatus> layer_status(const LayerQuery& query, std::stop_token stop = {});

  /// Brings a whole object of a known size into the cache, digest verified. OK at once when it is there. A URL whose
  /// bytes have another digest is tried last, and nothing of them is kept.
  /// Errors: those of fetch(), DataLoss (wrong digest from every URL), ResourceExhausted (disk full).
  absl::Status fetch_object(const Digest& object, std::uint64_t size, cache_index::Cache& cache,
                            std::stop_token stop = {});

  /// What the site knows of how containers of an image start. Errors: NotFound; those of layer_status().
  absl::StatusOr<StartTrace> start_trace(const Digest& chain, std::stop_token stop = {});
  /// Tells it of one start; `start.layers` make the chainID. Errors: Unavailable, InvalidArgument (refused).
  absl::Status report_start(const StartTrace& start, std::stop_token stop = {});

  std::string_view name() const override { return "site"; }
  absl::Status fetch(const Digest& object, const ByteRange& range, std::stop_token stop,
                     const OnBytes& on_bytes) override;
  /// Tells the site how badly, since it may have to ask somebody itself.
  absl::Status fetch_for(FetchClass urgency, const Digest& object, const ByteRange& range, std::stop_token stop,
                         const OnBytes& on_bytes) override;

 private:
  /// What came of one URL, and whether another one could do better.
  struct Outcome {
    absl::Status status;
    bool final = false;
  };
  absl::Status try_urls(const std::function<Outcome(const std::string& url)>& attempt);
  Outcome status_of(const std::string& site, const LayerQuery& query, const std::stop_token& stop, LayerStatus& found);
  /// What is left of a range, and who takes it.
  struct Transfer {
    FetchClass urgency;
    const Digest& object;
    ByteRange rest;
    std::stop_token stop;
    const OnBytes& on_bytes;
  };
  Outcome fetch_from(const std::string& site, Transfer& transfer);
  Outcome fetch_made_anew(const std::string& site, Transfer& transfer);
  absl::Status fetch_whole(const Digest& object, std::uint64_t size, cache_index::Cache& cache, std::stop_token stop);

  http::Client& client_;
  const std::vector<std::string> urls_;
  const SiteAccess access_;
  bool has_neighbours_ = false;
  std::atomic<std::size_t> preferred_{0};  // the URL to begin with
  LayerOrigins* origins_ = nullptr;
  std::mutex mutex_;
  std::set<Digest> asking_;  // layers that a site is being asked to convert anew
};

}  // namespace samara::peer
