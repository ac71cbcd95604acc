#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "fetch_queue.h"
#include "flight.h"

namespace samara::peer {

/// Every chunk that is on its way: who waits for it, where it stands, what comes next for it. Decides; moves no bytes
/// and calls nobody: replies are handed back to be sent when no lock is held.
///
/// A flight's life: joined by its first reader -> enqueue()d when the cache hasn't got it -> taken by a worker ->
/// deliver()ed and stored(), or give_up(): queued anew after a pause while a blocking reader waits, else dropped.
/// Prefetched chunks begin at claim(), with nobody waiting.
///
/// Time comes in as an argument; tick() does what has become due.
/// Threads: any.
class FlightTable {
 public:
  struct Policy {
    FetchQueue::Limits limits;
    std::chrono::milliseconds read_deadline{120'000};
    std::chrono::milliseconds hedge_after{20};
    std::size_t sources = 1;  ///< a chunk of which so many that don't only stand in gave wrong bytes is lost
  };

  explicit FlightTable(const Policy& policy) : policy_(policy), queue_(policy.limits) {}

  struct Joined {
    FlightPtr created = nullptr;                ///< the caller now sees to it: looks in the cache, then enqueue() or deliver()
    ChunkBytes bytes = nullptr;                 ///< are there already
    std::optional<Reply> refused = std::nullopt;  ///< the table is closed
  };
  /// Waits for a chunk, or for the frame that it comes in. Neither of the three above: somebody else is at it and
  /// `done` will be called. NotFound for the frame of a chunk that is in the cache, or about to be.
  Joined join(const cache_index::Chunk& chunk, const Digest& blob, FetchClass urgency, ChunkReader::Done done,
              TimePoint now, bool wants_frame = false);
  void enqueue(const FlightPtr& flight);
  void enqueue_piece(LayerPiece piece, FetchClass urgency);
  void give_back(LayerPiece piece, FetchClass urgency);
  std::uint64_t drop_pieces(FetchClass urgency);

  /// Blocks until there is something to do; nullopt when closed. Each task ends with task_done().
  std::optional<FetchTask> next_task();
  /// The same without waiting; nullopt also when there is nothing to do now.
  std::optional<FetchTask> poll_task();
  void task_done(FetchClass urgency);

  /// The flights of those chunks that nobody is at yet, running for the caller.
  std::vector<FlightPtr> claim(std::span<const cache_index::Chunk> chunks, const Digest& blob, FetchClass urgency,
                               TimePoint now);
  /// What of `run` is still wanted and may be asked of `source`, cut where it isn't contiguous in the blob.
  std::vector<std::vector<FlightPtr>> wanted(const std::vector<FlightPtr>& run, const RangeSource* source) const;
  void gave_wrong_bytes(const FlightPtr& flight, const RangeSource* source, const absl::Status& why);

  /// A request for these begins.
  void begins(const std::vector<FlightPtr>& run, TimePoint now);

  /// Does anybody wait for the frame?
  bool is_frame_wanted(const FlightPtr& flight) const;
  struct Delivered {
    bool first = false;  ///< false: another request was quicker; nothing to do
    FetchClass urgency = FetchClass::kBlocking;
    bool waited_for = false;
    std::optional<TimePoint> blocked_since = std::nullopt;  ///< of the blocking read that waits longest
    std::optional<TimePoint> asked_at = std::nullopt;       ///< see Flight
    unsigned failed_attempts = 0;
    Replies replies;
  };
  /// Verified bytes. They are given to whoever asks until stored().
  Delivered deliver(const FlightPtr& flight, const ChunkBytes& bytes, const ChunkBytes& frame = nullptr);
  void stored(const FlightPtr& flight);

  struct Dropped {
    std::vector<FetchClass> chunks;  ///< the class of each chunk that is not tried again
    Replies replies;
  };
  /// What is left of `run` after every source was asked.
  Dropped give_up(const std::vector<FlightPtr>& run, const absl::Status& why, TimePoint now);

  /// Ends reads whose deadline has passed, queues retries and hedges that are due.
  Replies tick(TimePoint now);
  /// Blocks while nobody waits for a chunk, else a moment; false when closed.
  bool wait_for_tick();

  void wait_idle();
  std::uint64_t waiting_chunks() const;
  bool fetching_blocking() const;

  /// Every waiter's reply is Cancelled; workers get no more tasks.
  Replies close();

 private:
  using Lock = std::unique_lock<std::mutex>;

  static std::optional<TimePoint> blocked_since(const Flight& flight);
  bool is_lost(const Flight& flight) const;
  Replies take_waiters(Flight& flight, const absl::StatusOr<ChunkBytes>& result);
  void expire(Flight& flight, TimePoint now, Replies& replies);
  void erase(const FlightPtr& flight);
  bool idle() const;
  void tell_idle();

  const Policy policy_;
  mutable std::mutex mutex_;
  std::condition_variable work_, waiters_, idle_;
  FetchQueue queue_;
  std::unordered_map<Digest, FlightPtr> flights_;  // by chunk
  std::size_t waiting_ = 0;                        // waiters of all flights
  bool closed_ = false;
};

}  // namespace samara::peer
