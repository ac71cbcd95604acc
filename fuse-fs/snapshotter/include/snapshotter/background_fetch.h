#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "peer/chunk_reader.h"

namespace samara::snapshotter {

/// Fetches the rest of every attached layer while no container waits for bytes, nor is about to start, nor the machine
/// is under pressure: one window of chunks after another, in FetchClass::kBackground, layer after layer in the order in
/// which they were attached. It looks at what is present and keeps no state of its own, so it goes on where it was after
/// a restart.
///
/// Threads: any; start() makes one of its own. Tests call step() by hand instead.
class BackgroundFetch {
 public:
  using Duration = std::chrono::milliseconds;

  struct Options {
    Duration quiet{2'000};                    ///< begin when within this no blocking fetch ended and no layer came
    std::uint64_t window_bytes = 16u << 20;   ///< of frames asked for at once
    Duration poll{50};                        ///< how often a window is looked at
    std::uint64_t rate = 0;                   ///< bytes a second at most, on average; 0: no limit
    Duration breather{2'000};                 ///< under pressure: when to look again
    Duration stall{30'000};                   ///< a window of which nothing arrives for so long is asked for again
  };
  enum class State { kDone, kWaiting, kFetching, kStalled, kPaused };
  struct Progress {
    State state = State::kDone;
    std::size_t layers_left = 0;
  };

  /// Everything is borrowed. `since_blocking_fetch`: see ChunkFetcher; `has_chunk`: see Cache; `pressure_is_high` may be
  /// null: it never is.
  BackgroundFetch(peer::ChunkReader& reader, std::function<Duration()> since_blocking_fetch,
                  std::function<bool(const Digest&)> has_chunk, Clock& clock, const Options& options,
                  std::function<bool()> pressure_is_high = nullptr);
  ~BackgroundFetch();

  void start();
  void stop();

  void add(std::uint32_t slot, peer::LayerIndex layer);
  /// Nothing more of it is asked for; at most one window is still under way.
  void remove(std::uint32_t slot);

  /// Does what there is to do now; returns when to come again, nullopt: when a layer is added.
  std::optional<Duration> step();
  Progress progress() const;

 private:
  using TimePoint = std::chrono::steady_clock::time_point;
  /// Chunks [first, first + count) that were asked for.
  struct Window {
    std::uint32_t first = 0;
    std::uint32_t count = 0;
    std::uint32_t missing = 0;  // when last looked at
    TimePoint last_arrival;
  };
  struct Layer {
    peer::LayerIndex index;
    std::uint64_t order = 0;
    std::uint32_t next = 0;  // every chunk before it is present
    std::optional<Window> window;
  };

  struct Job {
    std::uint32_t slot = 0;
    Layer layer;
  };

  void run();
  std::optional<Job> current() const;
  Duration since_added() const;
  std::optional<Duration> set_state(State state, std::optional<Duration> wait);
  void finish_step(const Job& job, bool layer_done);
  std::optional<Duration> watch(Job& job);
  std::optional<Duration> ask_next(Job& job);
  std::optional<Duration> pause();
  std::uint32_t missing(const Layer& layer, std::uint32_t first, std::uint32_t count) const;
  bool is_present(const Layer& layer, std::uint32_t chunk) const;
  std::uint32_t window_length(const Layer& layer, std::uint32_t first, std::uint64_t& bytes) const;

  peer::ChunkReader& reader_;
  std::function<Duration()> since_blocking_fetch_;
  std::function<bool(const Digest&)> has_chunk_;
  std::function<bool()> pressure_is_high_;
  Clock& clock_;
  Options options_;
  mutable std::mutex mutex_;  // guards what follows; never held while chunks are looked up or asked for
  std::condition_variable changed_;
  std::map<std::uint32_t, Layer> layers_;  // those not known to be complete
  std::uint64_t next_order_ = 0;
  TimePoint last_added_;
  State state_ = State::kDone;
  TimePoint next_window_;  // not before, for the rate
  bool stopping_ = false;
  bool woken_ = false;  // a layer came since the last step
  std::thread thread_;
};

}  // namespace samara::snapshotter
