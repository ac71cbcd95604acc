#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "peer/chunk_reader.h"
#include "peer/swarm.h"
#include "peer/swarm_sites.h"

namespace samara::peer {

/// A ChunkReader whose background class goes through the swarm; everything more urgent goes to `direct` as before.
///
/// The first background prefetch of a layer joins its blob's swarm, which then brings all of the blob, in its own order.
/// Later ones are the swarm's business while it makes progress. A blob that no site shares, that is too small, that a
/// site has been hashing for `stall`, or of which nothing came for that long, is fetched by `direct`.
/// Threads: any; one of its own talks to the sites. start() once, stop() before what it borrows goes.
class SwarmPrefetch final : public ChunkReader {
 public:
  struct Options {
    std::chrono::milliseconds stall{10'000};     ///< without a piece
    std::chrono::milliseconds retry{60'000};   ///< until a site that didn't share a blob is asked again
    std::chrono::milliseconds preparing{500};  ///< ... that is hashing it
  };
  /// Everything is borrowed.
  SwarmPrefetch(ChunkReader& direct, SwarmSites& sites, Swarm& swarm, Clock& clock, const Options& options);
  ~SwarmPrefetch() override { stop(); }

  /// Shares again what is here whole and was shared before the restart, then joins what is asked for.
  void start(const cache_index::Cache& cache);
  void stop();

  void read(const LayerIndex& layer, std::uint32_t chunk, FetchClass urgency, Done done) override;
  void prefetch(const LayerIndex& layer, std::uint32_t first, std::uint32_t count, FetchClass urgency) override;

 private:
  using TimePoint = std::chrono::steady_clock::time_point;
  struct Wish {
    LayerIndex layer;
    std::uint32_t first, count;
  };
  struct Join {
    enum class State { kWanted, kJoined, kRefused } state = State::kWanted;
    LayerIndex index;             // null for what was shared before
    std::vector<Wish> wishes;     // asked for while nobody knew yet
    TimePoint wanted_since;       // of kWanted
    TimePoint ask_again;          // of kRefused
    std::uint32_t pieces = 0;     // of kJoined: when it was looked at last ...
    TimePoint last_piece;         // ... and since when it hasn't changed
  };

  bool swarm_has_it(const LayerIndex& layer, const Wish& wish);
  void run(std::stop_token stop);
  void join(const Digest& blob, const std::stop_token& stop);
  bool ask_soon_again(const Digest& blob);
  void settle(const Digest& blob, Join::State state, std::chrono::milliseconds ask_again);
  void renew(const std::stop_token& stop);

  ChunkReader& direct_;
  SwarmSites& sites_;
  Swarm& swarm_;
  Clock& clock_;
  const Options options_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<Digest, Join> joins_;
  std::deque<Digest> queue_;
  std::deque<Digest> preparing_;  // some site is hashing them; asked again together
  std::jthread thread_;
};

}  // namespace samara::peer
