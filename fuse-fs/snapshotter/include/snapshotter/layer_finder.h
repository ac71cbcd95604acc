#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/thread_pool.h"
#include "cache_index/cache.h"
#include "peer/chunk_reader.h"
#include "snapshotter/deadlines.h"
#include "snapshotter/labels.h"
#include "snapshotter/layer_site.h"
#include "snapshotter/wait_policy.h"

namespace samara::snapshotter {

/// Finds the converted form of a layer: in the local cache (no network needed), else through the site, whose conversion
/// it awaits as long as WaitPolicy says. What it gives is proved to be the layer that containerd means: the index's
/// diffID on top of the parent makes the wanted chainID.
///
/// A slow or silent site costs each caller at most what the policy allows, and nobody waits behind another layer's
/// question. A site that doesn't answer is left alone for `site_retry`; one that was only slow is asked again in the
/// background, so that the next layer finds it (or its second URL) awake.
/// Threads: any, many at once.
class LayerFinder {
 public:
  struct Options {
    WaitPolicy::Options wait;
    std::chrono::milliseconds site_answer{1'000};  ///< a site that takes longer, apart from what it may wait, is away
    std::chrono::milliseconds site_retry{5'000};
    std::size_t prefetch_threads = 4;
  };
  struct Found {
    cache_index::LayerRecord record;
    peer::LayerIndex index;
  };

  /// Everything is borrowed; `site` may be null: only what is here is found.
  LayerFinder(cache_index::Cache& cache, LayerSite* site, Clock& clock, Metrics& metrics, const Options& options);
  ~LayerFinder();

  /// `parent`: the chainID below; nullopt for a bottom layer. Asks for the request's following layers too, in the
  /// background, so that their indexes arrive meanwhile.
  /// Errors, each a reason to take an ordinary snapshot: NotFound (nobody has it), Unavailable (site away, or the
  /// conversion takes too long), FailedPrecondition (the site can't convert it), DataLoss (what came isn't that layer).
  absl::StatusOr<Found> find(const LayerRequest& request, const std::optional<Digest>& parent);

  /// Brings an index whose digest is known; for layers attached before a restart whose index is gone.
  absl::StatusOr<peer::LayerIndex> open_index(const Digest& index, std::uint64_t size);

  /// An image of which one layer is ordinary: containerd fetches all its other layers from then on, so waiting for
  /// their conversion gains nothing any more.
  void note_fallback(const std::string& image_ref);

  /// Ends what waits for the site, now and later.
  void stop() { deadlines_.stop(); }

 private:
  class Turn;
  using TimePoint = std::chrono::steady_clock::time_point;

  absl::StatusOr<Found> find_local(const LayerRequest& request, const std::optional<Digest>& parent);
  absl::StatusOr<Found> ask(const LayerRequest& request, const std::optional<Digest>& parent);
  absl::StatusOr<peer::LayerStatus> query(const LayerRequest& request, std::chrono::milliseconds wait);
  absl::StatusOr<peer::LayerStatus> ask_site(const LayerRequest& request, std::chrono::milliseconds wait,
                                             std::chrono::milliseconds deadline);
  void ask_patiently(const LayerRequest& request);
  absl::Status fetch_index(const cache_index::LayerRecord& record, const LayerRequest& request);
  absl::Status fetch_object(const Digest& index, std::uint64_t size, std::chrono::milliseconds deadline);
  static absl::StatusOr<Found> prove(const cache_index::LayerRecord& record, peer::LayerIndex index,
                                     const LayerRequest& request, const std::optional<Digest>& parent);
  void prefetch(const LayerRequest& request);
  void prefetch_one(const LayerRequest& request);
  bool is_patient(const std::string& image_ref);
  bool is_being_asked(const Digest& layer);
  bool site_is_away();
  void note_site(const absl::Status& status);

  cache_index::Cache& cache_;
  LayerSite* site_;
  Clock& clock_;
  Metrics::Counter& index_bytes_;
  Options options_;
  Deadlines deadlines_;
  std::mutex mutex_;  // guards what follows; never held while the site is asked
  std::condition_variable turn_over_;
  std::set<Digest> asking_;       // layers that somebody asks the site about right now
  std::set<Digest> prefetching_;  // layers queued on pool_
  bool asking_patiently_ = false;
  std::map<std::string, TimePoint> fallbacks_;  // image -> until when nobody waits for its conversions
  std::optional<TimePoint> site_away_until_;
  ThreadPool pool_;  // last: its tasks use all of the above
};

}  // namespace samara::snapshotter
