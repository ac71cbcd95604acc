#include "flight_table.h"

#include <algorithm>
#include <chrono>

#include "base/text.h"

namespace samara::peer {
namespace {

using std::chrono::milliseconds;

/// How precisely deadlines, retries and hedges are kept.
constexpr milliseconds kTick{5};
constexpr milliseconds kFirstRetry{50}, kLastRetry{5'000};

milliseconds retry_pause(unsigned attempts) { return std::min(kLastRetry, kFirstRetry * (1u << std::min(attempts, 10u))); }

absl::Status late(const Flight& flight, milliseconds deadline) {
  return absl::DeadlineExceededError(str_cat("nobody gave chunk ", flight.chunk.digest.brief(), " of blob ",
                                             flight.blob.to_string(), " within ", deadline.count(), " ms",
                                             flight.last_error.ok() ? "" : "; last: ", flight.last_error.message()));
}

absl::Status frame_in_cache(const Flight& flight) {
  return absl::NotFoundError(str_cat("the frame of chunk ", flight.chunk.digest.brief(), " is in the cache"));
}

}  // namespace

FlightTable::Joined FlightTable::join(const cache_index::Chunk& chunk, const Digest& blob, FetchClass urgency,
                                      ChunkReader::Done done, TimePoint now, bool wants_frame) {
  const Lock lock(mutex_);
  if (closed_) return {.refused = Reply{std::move(done), absl::CancelledError("the fetcher is stopping")}};
  auto [it, is_new] = flights_.try_emplace(chunk.digest);
  FlightPtr& flight = it->second;
  if (is_new) flight = std::make_shared<Flight>(chunk, blob, urgency, now);
  if (flight->finished) {
    ChunkBytes bytes = wants_frame ? flight->frame : flight->bytes;
    if (bytes != nullptr) return {.bytes = std::move(bytes)};
    return {.refused = Reply{std::move(done), frame_in_cache(*flight)}};
  }
  if (flight->urgency > urgency) {
    const bool was_queued = flight->queued;
    queue_.raise(flight, urgency);
    if (was_queued) work_.notify_one();
  }
  // Whoever is blocked doesn't wait for long behind the other chunks of a bigger, less urgent request.
  const bool slow = flight->running > 0 && flight->running_class != FetchClass::kBlocking;
  if (slow && urgency == FetchClass::kBlocking && !flight->hedge_at) flight->hedge_at = now + policy_.hedge_after;
  flight->waiters.push_back({urgency, now, now + policy_.read_deadline, std::move(done), wants_frame});
  if (waiting_++ == 0) waiters_.notify_one();
  return {.created = is_new ? flight : nullptr};
}

Replies FlightTable::take_waiters(Flight& flight, const absl::StatusOr<ChunkBytes>& result) {
  Replies replies;
  replies.reserve(flight.waiters.size());
  for (Waiter& waiter : flight.waiters) {
    if (!waiter.wants_frame || !result.ok()) replies.push_back({std::move(waiter.done), result});
    else if (flight.frame != nullptr) replies.push_back({std::move(waiter.done), flight.frame});
    else replies.push_back({std::move(waiter.done), frame_in_cache(flight)});
  }
  waiting_ -= flight.waiters.size();
  flight.waiters.clear();
  return replies;
}

void FlightTable::enqueue(const FlightPtr& flight) {
  const Lock lock(mutex_);
  if (closed_ || flight->finished) return;
  queue_.push(flight);
  work_.notify_one();
}

void FlightTable::enqueue_piece(LayerPiece piece, FetchClass urgency) {
  const Lock lock(mutex_);
  if (closed_) return;
  queue_.push_piece(std::move(piece), urgency);
  work_.notify_all();  // it may be work for several
}

void FlightTable::give_back(LayerPiece piece, FetchClass urgency) {
  const Lock lock(mutex_);
  if (closed_) return;
  queue_.give_back(std::move(piece), urgency);
  work_.notify_one();
}

std::uint64_t FlightTable::drop_pieces(FetchClass urgency) {
  const Lock lock(mutex_);
  const std::uint64_t dropped = queue_.drop_pieces(urgency);
  tell_idle();
  return dropped;
}

std::optional<FetchTask> FlightTable::next_task() {
  Lock lock(mutex_);
  std::optional<FetchTask> task;
  work_.wait(lock, [&] { return closed_ || (task = queue_.take()).has_value(); });
  return closed_ ? std::nullopt : std::move(task);
}

std::optional<FetchTask> FlightTable::poll_task() {
  const Lock lock(mutex_);
  return closed_ ? std::nullopt : queue_.take();
}

void FlightTable::task_done(FetchClass urgency) {
  const Lock lock(mutex_);
  queue_.finished(urgency);
  work_.notify_one();  // a limit may have been in the way
  tell_idle();
}

std::vector<FlightPtr> FlightTable::claim(std::span<const cache_index::Chunk> chunks, const Digest& blob,
                                          FetchClass urgency, TimePoint now) {
  const Lock lock(mutex_);
  std::vector<FlightPtr> claimed;
  for (const cache_index::Chunk& chunk : chunks) {
    auto [it, is_new] = flights_.try_emplace(chunk.digest);
    if (!is_new) continue;
    it->second = std::make_shared<Flight>(chunk, blob, urgency, now);
    it->second->running = 1;
    it->second->running_class = urgency;
    claimed.push_back(it->second);
  }
  return claimed;
}

std::vector<std::vector<FlightPtr>> FlightTable::wanted(const std::vector<FlightPtr>& run,
                                                        const RangeSource* source) const {
  const Lock lock(mutex_);
  std::vector<std::vector<FlightPtr>> parts;
  const Flight* last = nullptr;
  for (const FlightPtr& flight : run) {
    if (closed_ || flight->finished || flight->wrong.contains(source)) continue;
    const bool follows = last != nullptr && last->chunk.blob_range().end == flight->chunk.blob_offset;
    if (!follows) parts.emplace_back();
    parts.back().push_back(flight);
    last = flight.get();
  }
  return parts;
}

void FlightTable::gave_wrong_bytes(const FlightPtr& flight, const RangeSource* source, const absl::Status& why) {
  const Lock lock(mutex_);
  flight->wrong.insert(source);
  flight->last_error = why;
}

void FlightTable::begins(const std::vector<FlightPtr>& run, TimePoint now) {
  const Lock lock(mutex_);
  for (const FlightPtr& flight : run) flight->asked_at = now;
}

std::optional<TimePoint> FlightTable::blocked_since(const Flight& flight) {
  std::optional<TimePoint> since;
  for (const Waiter& waiter : flight.waiters) {
    if (waiter.urgency == FetchClass::kBlocking) since = since ? std::min(*since, waiter.since) : waiter.since;
  }
  return since;
}

bool FlightTable::is_frame_wanted(const FlightPtr& flight) const {
  const Lock lock(mutex_);
  return std::any_of(flight->waiters.begin(), flight->waiters.end(), [](const Waiter& waiter) { return waiter.wants_frame; });
}

FlightTable::Delivered FlightTable::deliver(const FlightPtr& flight, const ChunkBytes& bytes, const ChunkBytes& frame) {
  const Lock lock(mutex_);
  if (flight->finished) return {};
  flight->finished = true;
  flight->bytes = bytes;
  flight->frame = frame;
  queue_.remove(flight);
  return {.first = true,
          .urgency = flight->urgency,
          .waited_for = !flight->waiters.empty(),
          .blocked_since = blocked_since(*flight),
          .asked_at = flight->asked_at,
          .failed_attempts = flight->attempts + static_cast<unsigned>(flight->wrong.size()),
          .replies = take_waiters(*flight, bytes)};
}

void FlightTable::stored(const FlightPtr& flight) {
  const Lock lock(mutex_);
  erase(flight);
}

FlightTable::Dropped FlightTable::give_up(const std::vector<FlightPtr>& run, const absl::Status& why, TimePoint now) {
  const Lock lock(mutex_);
  Dropped dropped;
  for (const FlightPtr& flight : run) {
    if (--flight->running == 0) flight->running_class = FetchClass::kBackground;
    if (flight->finished) continue;
    if (flight->last_error.ok() || !absl::IsDataLoss(why)) flight->last_error = why;
    const bool lost = is_lost(*flight);
    if (!lost && (flight->running > 0 || flight->queued)) continue;  // a hedge is still at it
    if (!lost && flight->urgency == FetchClass::kBlocking && !flight->waiters.empty()) {
      flight->retry_at = now + retry_pause(flight->attempts++);
      continue;
    }
    dropped.chunks.push_back(flight->urgency);
    const absl::Status error = lost ? absl::DataLossError(str_cat("every source's bytes are wrong for chunk ",
                                                                  flight->chunk.digest.brief(), " of blob ",
                                                                  flight->blob.to_string()))
                                    : flight->last_error;
    Replies replies = take_waiters(*flight, error);
    std::move(replies.begin(), replies.end(), std::back_inserter(dropped.replies));
    flight->finished = true;
    queue_.remove(flight);
    erase(flight);
  }
  return dropped;
}

bool FlightTable::is_lost(const Flight& flight) const {
  const auto wrong = std::count_if(flight.wrong.begin(), flight.wrong.end(),
                                   [](const RangeSource* source) { return !source->stands_in(); });
  return static_cast<std::size_t>(wrong) >= policy_.sources;
}

Replies FlightTable::tick(TimePoint now) {
  const Lock lock(mutex_);
  Replies replies;
  std::vector<FlightPtr> forgotten;
  for (auto& [digest, flight] : flights_) {
    if (flight->waiters.empty()) continue;
    expire(*flight, now, replies);
    if (flight->waiters.empty() && flight->running == 0 && (flight->queued || flight->retry_at)) {
      forgotten.push_back(flight);
      continue;
    }
    const bool due = (flight->retry_at && *flight->retry_at <= now) || (flight->hedge_at && *flight->hedge_at <= now);
    if (!due || flight->waiters.empty()) continue;
    if (flight->retry_at) flight->retry_at.reset();
    else if (flight->running == 0) continue;  // its request has ended meanwhile, and what follows is decided
    flight->hedge_at = TimePoint::max();      // once is enough
    queue_.push(flight);
    work_.notify_one();
  }
  for (const FlightPtr& flight : forgotten) {
    flight->finished = true;
    queue_.remove(flight);
    erase(flight);
  }
  return replies;
}

void FlightTable::expire(Flight& flight, TimePoint now, Replies& replies) {
  const std::size_t before = flight.waiters.size();
  for (Waiter& waiter : flight.waiters) {
    if (waiter.deadline <= now) replies.push_back({std::move(waiter.done), late(flight, policy_.read_deadline)});
  }
  std::erase_if(flight.waiters, [&](const Waiter& waiter) { return waiter.deadline <= now; });
  waiting_ -= before - flight.waiters.size();
}

bool FlightTable::wait_for_tick() {
  Lock lock(mutex_);
  if (waiting_ == 0) waiters_.wait(lock, [&] { return closed_ || waiting_ > 0; });
  waiters_.wait_for(lock, kTick, [&] { return closed_; });
  return !closed_;
}

void FlightTable::wait_idle() {
  Lock lock(mutex_);
  idle_.wait(lock, [&] { return idle(); });
}

std::uint64_t FlightTable::waiting_chunks() const {
  const Lock lock(mutex_);
  return queue_.waiting_chunks();
}

bool FlightTable::fetching_blocking() const {
  const Lock lock(mutex_);
  return std::any_of(flights_.begin(), flights_.end(), [](const auto& entry) {
    const Flight& flight = *entry.second;
    return !flight.finished && flight.urgency == FetchClass::kBlocking &&
           (flight.queued || flight.running > 0 || flight.retry_at);
  });
}

Replies FlightTable::close() {
  const Lock lock(mutex_);
  closed_ = true;
  Replies all;
  for (auto& [digest, flight] : flights_) {
    Replies replies = take_waiters(*flight, absl::CancelledError("the fetcher is stopping"));
    std::move(replies.begin(), replies.end(), std::back_inserter(all));
  }
  work_.notify_all();
  waiters_.notify_all();
  return all;
}

void FlightTable::erase(const FlightPtr& flight) {
  const auto it = flights_.find(flight->chunk.digest);
  if (it != flights_.end() && it->second == flight) flights_.erase(it);
  tell_idle();
}

bool FlightTable::idle() const { return flights_.empty() && queue_.idle(); }

void FlightTable::tell_idle() {
  if (idle()) idle_.notify_all();
}

}  // namespace samara::peer
