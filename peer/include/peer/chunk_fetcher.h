#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "cache_index/cache.h"
#include "peer/blob_sources.h"
#include "peer/chunk_reader.h"
#include "peer/range_source.h"
#include "peer/slow_fetches.h"

namespace samara::peer {

/// The node's ChunkReader: memory, then cache, then the sources in order, one scheduler for all of it.
///
/// Scheduling: a fetch waits in the queue of its class; workers always take the most urgent class, and one worker at
/// least is kept for blocking reads. One chunk is fetched once, whoever asks and however many; asking again with more
/// urgency moves it up. Neighbouring chunks of one class go in one range request of up to `max_request_bytes`.
/// A blocking read of a chunk that is inside a less urgent request already under way is asked for once more, by
/// itself, when it hasn't come after `hedge_after`.
/// Every frame is verified before it is given out or stored; a source whose bytes are wrong is not asked again for
/// that chunk. Blocking reads are retried with back-off until `read_deadline`; what fails of the other classes is
/// dropped and counted.
/// A full disk means that chunks are given out and not stored, and that background prefetches are dropped.
/// Threads: any. The destructor cancels what is queued or under way (Cancelled) and joins.
class ChunkFetcher final : public ChunkReader {
 public:
  struct Options {
    std::size_t workers = 8;                  ///< that fetch; at least 2
    std::uint64_t memory_bytes = 48u << 20;       ///< of uncompressed chunks, least recently used out first
    std::uint64_t max_request_bytes = 4u << 20;
    std::chrono::milliseconds read_deadline{120'000};
    std::size_t background_workers = 2;       ///< how many of `workers` background prefetches may have at once
    std::size_t cache_threads = 0;            ///< that read and decompress from the cache; 0: one a CPU, at least 2
    std::chrono::milliseconds hedge_after{20};
  };
  /// Everything is borrowed. `sources` in order of preference.
  static std::unique_ptr<ChunkFetcher> create(cache_index::Cache& cache, std::vector<RangeSource*> sources,
                                              Metrics& metrics, Clock& clock, const Options& options);
  ~ChunkFetcher() override;

  void read(const LayerIndex& layer, std::uint32_t chunk, FetchClass urgency, Done done) override;
  void prefetch(const LayerIndex& layer, std::uint32_t first, std::uint32_t count, FetchClass urgency) override;

  /// The chunk's frame, compressed, for somebody else who reads it: from the cache as it lies there, else fetched and
  /// verified as for read(). May read the disk on the caller's thread. Errors: those of read(), NotFound (the
  /// cache had it a moment ago, or has it as a frame of another size).
  void read_frame(const LayerIndex& layer, std::uint32_t chunk, FetchClass urgency, Done done);

  /// Waits until nothing is queued or under way.
  void wait_idle();
  /// Whoever waits, now or later, gets Cancelled; nothing new begins. Idempotent.
  void close();
  /// How long ago the last blocking read that had to go to a source ended; for starting background work in quiet times.
  std::chrono::milliseconds since_blocking_fetch() const;
  /// Whence a chunk came that a read waited for, and why that took so long; nullopt when it didn't, or too long ago.
  std::optional<SlowFetch> slow_fetch(const Digest& chunk) const;
  /// Whence the chunks of each blob came since the start, in bytes of their frames.
  std::map<Digest, BlobSources::BySource> blob_sources() const;

 private:
  class Impl;
  explicit ChunkFetcher(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace samara::peer
