#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "base/thread_pool.h"
#include "chunk_memory.h"
#include "fetch_metrics.h"
#include "flight_table.h"
#include "peer/chunk_fetcher.h"

namespace samara::peer {

/// Moves the bytes: threads that take tasks from the FlightTable, ask the sources, verify, give out, store.
///
/// Threads: `workers_` fetch, `cache_pool_` reads and decompresses what the cache has, `clockwork_` turns
/// FlightTable::tick(). Everything shared has a lock of its own; none is held across I/O or a callback.
class ChunkFetcher::Impl {
 public:
  Impl(cache_index::Cache& cache, std::vector<RangeSource*> sources, Metrics& metrics, Clock& clock,
       const Options& options);
  ~Impl();

  void read(const LayerIndex& layer, std::uint32_t position, FetchClass urgency, Done done);
  void read_frame(const LayerIndex& layer, std::uint32_t position, FetchClass urgency, Done done);
  void prefetch(const LayerIndex& layer, std::uint32_t first, std::uint32_t count, FetchClass urgency);
  void wait_idle() { table_.wait_idle(); }
  void close();
  std::chrono::milliseconds since_blocking_fetch() const;
  std::map<Digest, BlobSources::BySource> blob_sources() const { return blob_sources_.all(); }
  std::optional<SlowFetch> slow_fetch(const Digest& chunk) const { return slow_.find(chunk); }

 private:
  // chunk_fetcher.cc: from memory and cache, and time.
  void look_in_cache(const FlightPtr& flight);
  bool give_stored_frame(const FlightPtr& flight);
  void keep_time();
  void note_wait(const FlightPtr& flight, const FlightTable::Delivered& delivered, std::string_view source);
  void note_slow(SlowFetch slow);
  void remember(const Digest& chunk, const ChunkBytes& bytes);
  void blocking_fetch_ended() { last_blocking_ = clock_.now().time_since_epoch().count(); }

  // fetch_worker.cc: from the sources.
  void work();
  std::vector<FlightPtr> plan(LayerPiece piece, FetchClass urgency);
  bool is_here(const cache_index::Chunk& chunk, FetchClass urgency);
  void fetch(const std::vector<FlightPtr>& run, FetchClass urgency);
  absl::Status fetch_from(RangeSource& source, const std::vector<FlightPtr>& run, FetchClass urgency);
  void frame_came(const FlightPtr& flight, std::span<const std::uint8_t> frame, RangeSource& source);
  void wrong_bytes(const FlightPtr& flight, RangeSource& source, const absl::Status& why);
  void store(const FlightPtr& flight, std::span<const std::uint8_t> frame);

  cache_index::Cache& cache_;
  const std::vector<RangeSource*> sources_;
  Clock& clock_;
  const Options options_;
  FetchMetrics metrics_;
  ChunkMemory memory_;
  SlowFetches slow_;
  BlobSources blob_sources_;
  FlightTable table_;
  std::stop_source stop_;
  std::atomic<std::chrono::steady_clock::rep> last_blocking_;
  std::atomic<bool> disk_full_{false};
  std::optional<ThreadPool> cache_pool_;
  std::vector<std::thread> workers_;
  std::thread clockwork_;
};

}  // namespace samara::peer
