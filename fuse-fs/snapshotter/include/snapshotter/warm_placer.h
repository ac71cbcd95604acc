#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "cache_index/cache.h"
#include "peer/chunk_reader.h"
#include "peer/start_trace.h"
#include "peer/warm_protocol.h"
#include "snapshotter/background_fetch.h"

namespace samara::snapshotter {

/// What a node needs of its site to place images.
/// Threads: any.
class WarmSite {
 public:
  virtual ~WarmSite() = default;
  /// As peer::WarmClient::image(), of whichever site ordered it.
  virtual absl::StatusOr<peer::WarmImage> image(const Digest& manifest, std::stop_token stop) = 0;
  /// Brings an object into the cache, digest checked.
  virtual absl::Status fetch_object(const Digest& object, std::uint64_t size, std::stop_token stop) = 0;
  virtual absl::StatusOr<peer::StartTrace> start_trace(const Digest& chain, std::stop_token stop) = 0;
};

/// Places what the site has ordered, one image after another, and says how far it is: fetches in the background's class
/// (of traces, in theirs), then reads each chunk from the disk and compares it with its digest. Only that is "verified".
///
/// What is being placed is pinned, and afterwards for as long as the order that says longest; that pin's name is pin_name(). The
/// image's manifest and config are kept with it, so that LocalMirror can answer for it without a site.
/// An order that isn't listed any more ends what was under way for it; a look comes before anything else.
/// Threads: any; start() makes one of its own. Tests call step() by hand instead.
class WarmPlacer {
 public:
  struct Options {
    BackgroundFetch::Options fetch{.quiet = std::chrono::milliseconds(0)};
    std::chrono::milliseconds poll{200};
    std::chrono::milliseconds give_up{300'000};  ///< without a byte
  };
  /// Everything is borrowed. `background` is where the bulk is asked for; `pressure_is_high` may be null.
  WarmPlacer(cache_index::Cache& cache, WarmSite& site, peer::ChunkReader& background, Clock& clock, const Options& options,
             std::function<bool()> pressure_is_high = nullptr);
  ~WarmPlacer();
  static std::vector<std::string> tables();

  void start();
  void stop();

  /// All that is ordered now.
  void set_orders(const std::vector<peer::WarmOrder>& orders);
  /// Of each of them.
  std::vector<peer::WarmReport> reports() const;

  /// Does the most urgent task to its end; false when there is nothing to do.
  bool step();

  static std::string pin_name(const peer::WarmImage& image);

 private:
  struct Task {
    peer::WarmOrder order;
    peer::WarmReport report;
    std::stop_source stop;
  };
  /// A layer that is being placed.
  struct Layer {
    const peer::WarmImage::Layer* of = nullptr;
    peer::LayerIndex index;
  };
  using Layers = std::vector<Layer>;
  using Chunk = std::pair<peer::LayerIndex, std::uint32_t>;

  void run();
  absl::Status place(const peer::WarmOrder& order, const std::stop_token& stop);
  absl::Status look(const peer::WarmOrder& order, const std::stop_token& stop);
  absl::Status keep_manifests(const peer::WarmImage& image);
  absl::Status pin(const peer::WarmImage& image, std::string name, std::uint64_t until);
  absl::Status keep_pin(const peer::WarmImage& image, std::uint64_t until);
  absl::StatusOr<Layers> place_indexes(const peer::WarmImage& image, const std::stop_token& stop);
  absl::StatusOr<peer::LayerIndex> open_index(const peer::WarmImage::Layer& layer) const;
  absl::StatusOr<std::vector<Chunk>> trace_chunks(const peer::WarmImage& image, const Layers& layers, const std::stop_token& stop);
  absl::Status fetch_trace(const peer::WarmTask& task, const std::vector<Chunk>& chunks, const std::stop_token& stop);
  absl::Status fetch_full(const peer::WarmTask& task, const Layers& layers, const std::stop_token& stop);
  absl::Status verify(const peer::WarmTask& task, const std::vector<Chunk>& chunks, const std::stop_token& stop);
  absl::Status wait_for(const peer::WarmTask& task, const std::function<std::uint64_t()>& present, std::uint64_t total,
                        const std::function<void()>& ask_again, const std::stop_token& stop);
  void report(const peer::WarmTask& task, peer::WarmReport::State state, std::uint64_t done, std::uint64_t total);
  void sleep(std::chrono::milliseconds time, const std::stop_token& stop);

  cache_index::Cache& cache_;
  WarmSite& site_;
  peer::ChunkReader& background_;
  Clock& clock_;
  const Options options_;
  BackgroundFetch fetch_;
  std::uint32_t next_slot_ = 0;  // of fetch_; the working thread's

  mutable std::mutex mutex_;  // guards what follows; never held during I/O
  std::condition_variable_any changed_;
  std::map<peer::WarmTask, Task> tasks_;
  bool stopping_ = false;
  std::stop_source stop_;
  std::thread thread_;
};

}  // namespace samara::snapshotter
