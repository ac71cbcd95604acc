#include "snapshotter/background_fetch.h"

#include <algorithm>

namespace samara::snapshotter {

BackgroundFetch::BackgroundFetch(peer::ChunkReader& reader, std::function<Duration()> since_blocking_fetch,
                                 std::function<bool(const Digest&)> has_chunk, Clock& clock, const Options& options,
                                 std::function<bool()> pressure_is_high)
    : reader_(reader),
      since_blocking_fetch_(std::move(since_blocking_fetch)),
      has_chunk_(std::move(has_chunk)),
      pressure_is_high_(std::move(pressure_is_high)),
      clock_(clock),
      options_(options) {}

BackgroundFetch::~BackgroundFetch() { stop(); }

void BackgroundFetch::start() {
  thread_ = std::thread([this] { run(); });
}

void BackgroundFetch::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void BackgroundFetch::add(std::uint32_t slot, peer::LayerIndex layer) {
  const std::lock_guard lock(mutex_);
  layers_[slot] = Layer{std::move(layer), next_order_++, 0, std::nullopt};
  last_added_ = clock_.now();
  woken_ = true;
  changed_.notify_all();
}

void BackgroundFetch::remove(std::uint32_t slot) {
  const std::lock_guard lock(mutex_);
  layers_.erase(slot);
}

BackgroundFetch::Progress BackgroundFetch::progress() const {
  const std::lock_guard lock(mutex_);
  return {layers_.empty() ? State::kDone : state_, layers_.size()};
}

void BackgroundFetch::run() {
  for (;;) {
    const std::optional<Duration> wait = step();
    std::unique_lock lock(mutex_);
    const auto wake = [this] { return stopping_ || woken_; };
    if (wait) {
      changed_.wait_for(lock, *wait, [this] { return stopping_; });
    } else {
      changed_.wait(lock, wake);
    }
    woken_ = false;
    if (stopping_) return;
  }
}

std::optional<BackgroundFetch::Duration> BackgroundFetch::step() {
  std::optional<Job> job = current();
  if (!job) return set_state(State::kDone, std::nullopt);
  const Duration since = std::min(since_blocking_fetch_(), since_added());
  if (since < options_.quiet) return set_state(State::kWaiting, options_.quiet - since);
  return job->layer.window ? watch(*job) : ask_next(*job);
}

// Nothing new is asked for under pressure, nor faster than the rate allows; nullopt: go on.
std::optional<BackgroundFetch::Duration> BackgroundFetch::pause() {
  if (pressure_is_high_ && pressure_is_high_()) return set_state(State::kPaused, options_.breather);
  const TimePoint now = clock_.now();
  const std::lock_guard lock(mutex_);
  if (now >= next_window_) return std::nullopt;
  return std::chrono::duration_cast<Duration>(next_window_ - now) + Duration(1);
}

// The layer that came first, as it is now. Steps follow one another: only add() and remove() change it meanwhile.
std::optional<BackgroundFetch::Job> BackgroundFetch::current() const {
  const std::lock_guard lock(mutex_);
  const auto first = std::min_element(layers_.begin(), layers_.end(), [](const auto& a, const auto& b) {
    return a.second.order < b.second.order;
  });
  if (first == layers_.end()) return std::nullopt;
  return Job{first->first, first->second};
}

BackgroundFetch::Duration BackgroundFetch::since_added() const {
  const std::lock_guard lock(mutex_);
  return std::chrono::duration_cast<Duration>(clock_.now() - last_added_);
}

std::optional<BackgroundFetch::Duration> BackgroundFetch::set_state(State state, std::optional<Duration> wait) {
  const std::lock_guard lock(mutex_);
  state_ = state;
  return wait;
}

void BackgroundFetch::finish_step(const Job& job, bool layer_done) {
  const std::lock_guard lock(mutex_);
  const auto found = layers_.find(job.slot);
  if (found == layers_.end() || found->second.order != job.layer.order) return;  // removed meanwhile
  if (layer_done) {
    layers_.erase(found);
  } else {
    found->second = job.layer;
  }
}

std::optional<BackgroundFetch::Duration> BackgroundFetch::watch(Job& job) {
  Window& window = *job.layer.window;
  const std::uint32_t still_missing = missing(job.layer, window.first, window.count);
  if (still_missing == 0) {
    job.layer.next = window.first + window.count;
    return ask_next(job);
  }
  const TimePoint now = clock_.now();
  if (still_missing < window.missing) {
    window.missing = still_missing;
    window.last_arrival = now;
    set_state(State::kFetching, std::nullopt);
  } else if (now - window.last_arrival >= options_.stall) {
    window.last_arrival = now;
    reader_.prefetch(job.layer.index, window.first, window.count, peer::FetchClass::kBackground);
    set_state(State::kStalled, std::nullopt);
  }
  finish_step(job, false);
  return options_.poll;
}

std::optional<BackgroundFetch::Duration> BackgroundFetch::ask_next(Job& job) {
  Layer& layer = job.layer;
  const std::uint32_t total = layer.index->info().chunk_count;
  while (layer.next < total && is_present(layer, layer.next)) ++layer.next;
  if (layer.next >= total) {
    finish_step(job, true);
    return Duration::zero();
  }
  layer.window.reset();
  if (const std::optional<Duration> wait = pause()) {
    finish_step(job, false);
    return wait;
  }
  std::uint64_t bytes = 0;
  const std::uint32_t count = window_length(layer, layer.next, bytes);
  if (options_.rate > 0) {
    const std::lock_guard lock(mutex_);
    next_window_ = clock_.now() + Duration(bytes * 1000 / options_.rate);
  }
  layer.window = Window{layer.next, count, missing(layer, layer.next, count), clock_.now()};
  reader_.prefetch(layer.index, layer.next, count, peer::FetchClass::kBackground);
  set_state(State::kFetching, std::nullopt);
  finish_step(job, false);
  return options_.poll;
}

std::uint32_t BackgroundFetch::missing(const Layer& layer, std::uint32_t first, std::uint32_t count) const {
  std::uint32_t missing = 0;
  for (std::uint32_t chunk = first; chunk < first + count; ++chunk) missing += is_present(layer, chunk) ? 0 : 1;
  return missing;
}

// A chunk that a damaged index can't describe is nothing that could be fetched.
bool BackgroundFetch::is_present(const Layer& layer, std::uint32_t chunk) const {
  const absl::StatusOr<cache_index::Chunk> found = layer.index->chunk(chunk);
  return !found.ok() || has_chunk_(found->digest);
}

std::uint32_t BackgroundFetch::window_length(const Layer& layer, std::uint32_t first, std::uint64_t& bytes) const {
  const std::uint32_t total = layer.index->info().chunk_count;
  std::uint32_t end = first;
  while (end < total && bytes < options_.window_bytes) {
    const absl::StatusOr<cache_index::Chunk> chunk = layer.index->chunk(end++);
    if (chunk.ok()) bytes += chunk->blob_size;
  }
  return end - first;
}

}  // namespace samara::snapshotter
