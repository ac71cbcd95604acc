#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "base/http/server.h"
#include "cache_index/cache.h"
#include "peer/blob_frames.h"
#include "peer/chunk_fetcher.h"
#include "peer/link_source.h"
#include "peer/seats.h"
#include "peer/siblings.h"
#include "registry_proxy/fill.h"

namespace samara::registry_proxy {

/// Layers that the parent site has converted: their indexes come at once, and of their blobs first what nodes read, then,
/// in the background, all the rest.
///
/// A layer counts as converted as soon as its index is here. Until its blob is whole, ranges of it are given as they come
/// from the parent; each chunk crosses the link once, whoever asks and however often the link breaks or this site is
/// killed, and one that another blob of the cache holds doesn't cross it at all. What a node waits for goes first. Where
/// the site has several samara-sites, the one that is elected for the blob asks the parent, and the others ask that one.
/// The parent is believed as a node believes its site: chunks are verified, and the index by its digest; the mapping from
/// layer to index is the parent's word, checked against the image's config where that is known.
/// Rows: table "parent_layers", layer's digest -> nothing: those whose blob isn't here whole yet.
/// Threads: any; one of its own brings what nobody waits for. start() once, stop() before what it borrows goes.
class ParentLayers {
 public:
  struct Options {
    std::chrono::milliseconds wait{600'000};       ///< for the parent to convert a layer, before this site does itself
    std::chrono::milliseconds patience{8'000};     ///< of a node, for the next chunk; then 503
    std::chrono::milliseconds first_retry{1'000};  ///< after the link broke; doubles, with jitter
    std::chrono::milliseconds longest_retry{60'000};
    std::chrono::milliseconds budget_retry{60'000};  ///< while the day's budget doesn't reach
    peer::ChunkFetcher::Options fetcher{.workers = 10,
                                        .memory_bytes = 8u << 20,
                                        .max_request_bytes = 1u << 20,
                                        .read_deadline = std::chrono::milliseconds(8'000),
                                        .hedge_after = std::chrono::hours(24)};  // nothing is worth crossing the link twice
  };
  /// Called whenever more of a blob is here, and once all of it is; on this object's thread.
  using OnProgress = std::function<void(const Digest& blob, bool whole)>;

  static std::vector<std::string> tables();
  /// Everything but the options is borrowed; `siblings` may be null. The cache was opened with tables().
  ParentLayers(cache_index::Cache& cache, peer::SiteClient& parent, peer::Link& link, peer::Siblings* siblings,
               Clock& clock, Metrics& metrics, const Options& options);
  ~ParentLayers();

  /// Goes on with what the last run left. stop() ends every wait with Cancelled; idempotent.
  void start(OnProgress on_progress = nullptr);
  void stop();

  /// Asks the parent for the layer, waits while that converts it, and brings the index. `diff_id`: of the image's config,
  /// if known. `bytes_done`: how far the parent is, for those who look. OK at once for one that is arriving already.
  /// Errors: NotFound (the parent has it not converted, and why), Unavailable (can't be asked), ResourceExhausted (its
  /// budget, the disk), DataLoss (an index that isn't the layer's), Cancelled.
  absl::StatusOr<cache_index::LayerRecord> take(const BlobRef& layer, const std::optional<Digest>& diff_id,
                                                std::atomic<std::uint64_t>& bytes_done, std::stop_token stop);

  /// The layer, if its index is here and its blob isn't whole yet.
  std::optional<cache_index::LayerRecord> arriving(const Digest& layer) const;
  /// The index of the layer whose blob that is; null unless it is arriving.
  peer::LayerIndex index_of(const Digest& blob) const;
  /// What is arriving, so that it isn't evicted meanwhile.
  std::vector<peer::LayerIndex> indexes() const;
  struct Progress {
    cache_index::LayerRecord record;
    std::uint64_t bytes_here = 0;
  };
  /// Of everything that is arriving.
  std::vector<Progress> progress() const;
  const peer::Link& link() const { return link_; }

  /// Answers a request for a blob that is arriving; false when it isn't.
  bool answer(const Digest& blob, const http::Request& request, http::ResponseWriter& out);

  /// Whence the bytes came that were asked of it, by blob.
  std::map<Digest, peer::BlobSources::BySource> blob_sources() const { return fetcher_->blob_sources(); }

 private:
  struct Arriving {
    cache_index::LayerRecord record;
    std::shared_ptr<const peer::BlobFrames> frames;
  };
  using ArrivingPtr = std::shared_ptr<const Arriving>;

  // parent_layers.cc: what is asked of the parent, and what nodes get.
  absl::StatusOr<peer::LayerStatus> ask(const BlobRef& layer, std::atomic<std::uint64_t>& bytes_done, std::stop_token stop);
  absl::Status bring_index(const BlobRef& layer, const cache_index::LayerRecord& record, std::stop_token stop);
  absl::Status bring_index_from_siblings(const BlobRef& layer, const cache_index::LayerRecord& record, std::stop_token stop);
  absl::StatusOr<ArrivingPtr> open(const cache_index::LayerRecord& record) const;
  ArrivingPtr find(const Digest& blob) const;

  // parent_bulk.cc: the rest of the blobs.
  void add(const ArrivingPtr& layer);
  void load();
  void run(std::stop_token stop);
  absl::Status bring(const Arriving& layer, const std::stop_token& stop);
  absl::Status complete(const Arriving& layer);
  void remove(const Arriving& layer);
  std::chrono::milliseconds pause_after(const absl::Status& failure);

  cache_index::Cache& cache_;
  peer::SiteClient& parent_;
  peer::Link& link_;
  peer::LinkSource parent_source_;
  peer::Siblings* const siblings_;
  const Options options_;
  peer::Seats seats_;  // for nodes that have neighbours to ask
  Metrics::Counter& taken_;
  Metrics::Gauge& arriving_gauge_;
  Metrics::Counter& given_;
  OnProgress on_progress_;

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<Digest, ArrivingPtr> blobs_;            // by blob
  std::map<Digest, cache_index::LayerRecord> layers_;  // of those, by layer
  std::deque<Digest> queue_;                       // blobs, in the order in which they were asked for
  std::uint64_t added_ = 0;
  unsigned failures_ = 0;                          // the thread's, one after the other
  std::minstd_rand random_{std::random_device{}()};

  const std::unique_ptr<peer::ChunkFetcher> fetcher_;
  std::jthread thread_;
};

}  // namespace samara::registry_proxy
