#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "cache_index/chunk.h"
#include "peer/chunk_reader.h"
#include "peer/range_source.h"

namespace samara::peer {

using TimePoint = std::chrono::steady_clock::time_point;

/// Somebody who waits for a chunk.
struct Waiter {
  FetchClass urgency = FetchClass::kBlocking;
  TimePoint since, deadline;
  ChunkReader::Done done;
  bool wants_frame = false;  ///< in place of the bytes in it
};

/// What a waiter gets, put aside so that it can be called without a lock.
struct Reply {
  ChunkReader::Done done;
  absl::StatusOr<ChunkBytes> result;
};
using Replies = std::vector<Reply>;

inline void send(Replies replies) {
  for (Reply& reply : replies) reply.done(std::move(reply.result));
}

/// One chunk on its way, whoever asked for it. There is at most one of a chunk.
///
/// Threads: `chunk`, `blob` and `since` never change; everything else belongs to the FlightTable's lock.
struct Flight {
  Flight(const cache_index::Chunk& chunk, const Digest& blob, FetchClass urgency, TimePoint since)
      : chunk(chunk), blob(blob), since(since), urgency(urgency) {}

  const cache_index::Chunk chunk;
  const Digest blob;
  const TimePoint since;

  FetchClass urgency;               ///< the most urgent that anybody asked with
  std::vector<Waiter> waiters;
  bool queued = false;              ///< waits in the FetchQueue, in the class `urgency`
  int running = 0;                  ///< requests under way that will bring it
  FetchClass running_class = FetchClass::kBackground;  ///< the most urgent of those
  ChunkBytes bytes;                 ///< once verified, until they are stored
  ChunkBytes frame;                 ///< that they came in; null when nobody waited for it
  bool finished = false;            ///< bytes or an error were given out
  std::set<const RangeSource*> wrong;  ///< sources that gave wrong bytes
  absl::Status last_error;
  unsigned attempts = 0;
  std::optional<TimePoint> asked_at;  ///< when the last request for it began
  std::optional<TimePoint> retry_at;  ///< after every source failed
  std::optional<TimePoint> hedge_at;  ///< when it is asked for again beside a slow, less urgent request
};
using FlightPtr = std::shared_ptr<Flight>;  // of the table, and of the queue and the workers while they have it

}  // namespace samara::peer
