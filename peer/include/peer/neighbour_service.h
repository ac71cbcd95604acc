#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "base/http/server.h"
#include "base/metrics.h"
#include "cache_index/cache.h"
#include "peer/blob_frames.h"
#include "peer/chunk_fetcher.h"
#include "peer/neighbours.h"

namespace samara::peer {

/// What a node serves the others of its site: ranges of the blobs that it reads itself.
///
///   GET|HEAD /samara/v1/objects/<blob digest>      with Range and Samara-Ticket
///        206 with the range, which begins and ends with frames; 400 without a range, 403 without a good ticket, 404 for
///        what isn't here and isn't this node's to bring, 416 for a range between frames, 503 when it has enough to do.
///
/// What this node is to bring into the site (neighbour_ranking.h) it fetches as for itself, and whoever asks for it
/// meanwhile gets it from the same fetch.
/// Threads: any.
class NeighbourService {
 public:
  struct Options {
    bool certificates = false;                   ///< whoever shows none gets 403
    std::size_t max_requests = 64;               ///< at once; more get 503, and ask the site
    std::chrono::milliseconds patience{1'000};   ///< for bytes that are being fetched; then 503, or the answer ends short
  };
  /// The index of a layer here whose blob that is; null: none.
  using FindLayer = std::function<LayerIndex(const Digest& blob)>;

  /// Everything is borrowed.
  NeighbourService(cache_index::Cache& cache, ChunkFetcher& fetcher, Neighbours& neighbours, FindLayer find_layer,
                   Metrics& metrics, const Options& options);

  void handle(const http::Request& request, http::ResponseWriter& out);

 private:
  using FramesPtr = std::shared_ptr<const BlobFrames>;

  void answer(const http::Request& request, http::ResponseWriter& out);
  void give_from_file(const cache_index::ObjectFile& file, const ByteRange& range, http::ResponseWriter& out);
  void give_frames(const BlobFrames& frames, const Digest& blob, const ByteRange& range, http::ResponseWriter& out);
  FramesPtr frames_of(const Digest& blob);

  cache_index::Cache& cache_;
  ChunkFetcher& fetcher_;
  Neighbours& neighbours_;
  const FindLayer find_layer_;
  const Options options_;
  Metrics::Counter& sent_;
  Metrics::Counter& refused_;
  std::atomic<std::size_t> requests_{0};

  std::mutex mutex_;
  std::deque<std::pair<Digest, FramesPtr>> known_;  // of the blobs asked for last
};

}  // namespace samara::peer
