#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/thread_pool.h"
#include "cache_index/cache.h"
#include "peer/site_protocol.h"
#include "registry_proxy/blobs.h"
#include "registry_proxy/manifest.h"
#include "registry_proxy/parent_layers.h"

namespace samara::registry_proxy {

/// Converts layers to index + blob, each once, fed from its download while that is under way.
///
/// What the parent site has converted already comes from there in place of being converted here. Whoever has no parent
/// site, or one that can't be asked, converts itself.
/// Layers wait in the order in which they were asked for; an image's are asked for bottom first, as containerd prepares
/// them. A layer that can't be converted is remembered with the reason for a while, so that nobody waits for it again.
/// Threads: any. The destructor stops.
class Conversions {
 public:
  struct Options {
    std::size_t layers_at_once = 2;
    std::size_t threads = 0;  ///< that compress, shared by all layers; 0: one a core
    std::chrono::milliseconds remember_bad_layer{600'000};
    std::chrono::milliseconds remember_outage{10'000};  ///< upstream away, disk full: worth another try soon
    /// A layer that was converted, or comes from the parent; on a worker's thread, so at once. Null: nobody wants to know.
    std::function<void(const BlobRef& layer)> on_ready = nullptr;
  };
  /// Everything is borrowed; the cache was opened with Manifests::tables(). `parent`: null without a parent site.
  Conversions(cache_index::Cache& cache, Blobs& blobs, const Clock& clock, Metrics& metrics, const Options& options,
              ParentLayers* parent = nullptr);
  ~Conversions();

  /// Asks for every layer of an image, upstream in the name of `as`. Returns at once.
  void convert_image(const Repository& repository, const Manifest& manifest, const Identity& as = {});
  /// Asks for one layer of which nothing but its digest (and size) is known. Returns at once.
  void convert_layer(const BlobRef& layer);

  /// Asks again for the layer that this index or blob was made of, from where it came from then; for what was evicted.
  /// False when that isn't known.
  bool convert_again(const Digest& made);

  /// Where a converted layer came from; nullopt when that isn't known.
  std::optional<Repository> origin_of(const Digest& layer) const;

  /// What is known of a layer; waits up to `wait` while it is waiting or being converted.
  peer::LayerStatus status(const Digest& layer, std::chrono::milliseconds wait = {});

  /// Ends what is under way; Cancelled to whoever waits. Idempotent.
  void stop();

 private:
  struct Image;
  struct Job;

  void enqueue(std::shared_ptr<Job> job);
  bool wanted(const Digest& layer) const;
  void work();
  absl::Status run(Job& job);
  absl::Status take_from_parent(Job& job);
  bool wait_for_turn();
  void end_turn();
  absl::StatusOr<std::optional<Digest>> diff_id_of(const Job& job);
  absl::StatusOr<cache_index::LayerRecord> convert(Job& job);
  void finish(const Job& job, const absl::Status& status);
  void remember_failure(const Digest& layer, const absl::Status& status);
  void drop_old_failures();
  std::optional<peer::LayerStatus> current(const Digest& layer);

  cache_index::Cache& cache_;
  Blobs& blobs_;
  const Clock& clock_;
  const Options options_;
  Metrics::Counter& converted_;
  Metrics::Counter& failed_;
  Metrics::Gauge& pending_;
  Metrics::Gauge& running_;
  Metrics::Counter& tar_bytes_;
  ThreadPool compressors_;
  ParentLayers* const parent_;
  std::stop_source stop_;

  struct Failure {
    std::string reason;
    std::chrono::steady_clock::time_point until;
  };
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<std::shared_ptr<Job>> queue_;
  std::map<Digest, std::shared_ptr<Job>> jobs_;  // waiting or under way
  std::map<Digest, Failure> failures_;
  std::size_t converting_ = 0;  // at most layers_at_once of those that the workers are at
  std::vector<std::thread> workers_;
};

}  // namespace samara::registry_proxy
