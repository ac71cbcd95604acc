#include "peer/swarm_prefetch.h"

#include <pthread.h>

#include "base/log.h"
#include "base/text.h"

namespace samara::peer {
namespace {

constexpr std::chrono::milliseconds kRenew{60'000};
constexpr std::size_t kMostBlobs = 100'000;  // that are remembered; the oldest refusals would be the first to go

}  // namespace

SwarmPrefetch::SwarmPrefetch(ChunkReader& direct, SwarmSites& sites, Swarm& swarm, Clock& clock, const Options& options)
    : direct_(direct), sites_(sites), swarm_(swarm), clock_(clock), options_(options) {}

void SwarmPrefetch::start(const cache_index::Cache& cache) {
  {
    const std::lock_guard lock(mutex_);
    // What is here in part is joined when its layer is asked for: without the index its chunks would stay unknown.
    for (const auto& [blob, pieces] : swarm_.remembered()) {
      if (!cache.has_object(blob) || joins_.contains(blob)) continue;
      joins_[blob].wanted_since = clock_.now();
      queue_.push_back(blob);
    }
  }
  thread_ = std::jthread([this](std::stop_token stop) { run(std::move(stop)); });
  pthread_setname_np(thread_.native_handle(), "swarm-join");
}

void SwarmPrefetch::stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

void SwarmPrefetch::read(const LayerIndex& layer, std::uint32_t chunk, FetchClass urgency, Done done) {
  direct_.read(layer, chunk, urgency, std::move(done));
}

void SwarmPrefetch::prefetch(const LayerIndex& layer, std::uint32_t first, std::uint32_t count, FetchClass urgency) {
  const bool bulk = urgency == FetchClass::kBackground && layer->info().blob_size >= kMinSwarmBytes;
  if (bulk && swarm_has_it(layer, {layer, first, count})) return;
  direct_.prefetch(layer, first, count, urgency);
}

/// Whether the swarm brings it; decided later, and the wish kept, while the sites are being asked.
bool SwarmPrefetch::swarm_has_it(const LayerIndex& layer, const Wish& wish) {
  const Digest& blob = layer->info().blob;
  const absl::StatusOr<Swarm::State> state = swarm_.state(blob);
  const TimePoint now = clock_.now();
  const std::lock_guard lock(mutex_);
  if (joins_.size() >= kMostBlobs && !joins_.contains(blob)) return false;
  const auto [it, is_new] = joins_.try_emplace(blob);
  Join& join = it->second;
  const bool left = join.state == Join::State::kJoined && !state.ok();  // its bytes were wrong or evicted
  if (left || (join.state == Join::State::kRefused && now >= join.ask_again)) join.state = Join::State::kWanted;
  switch (join.state) {
    case Join::State::kRefused:
      return false;
    case Join::State::kWanted:
      join.index = layer;
      if (is_new || join.wishes.empty()) {
        join.wanted_since = now;
        queue_.push_back(blob);
        changed_.notify_all();
      }
      join.wishes.push_back(wish);
      return true;
    case Join::State::kJoined:
      break;
  }
  if (state->pieces != join.pieces) {
    join.pieces = state->pieces;
    join.last_piece = now;
  }
  return !state->complete() && now - join.last_piece < options_.stall;
}

void SwarmPrefetch::run(std::stop_token stop) {
  auto renewed = std::chrono::steady_clock::now();
  while (!stop.stop_requested()) {
    std::unique_lock lock(mutex_);
    const std::chrono::milliseconds patience = preparing_.empty() ? kRenew : options_.preparing;
    if (!changed_.wait_for(lock, stop, patience, [this] { return !queue_.empty(); })) queue_.swap(preparing_);
    if (stop.stop_requested()) return;
    if (!queue_.empty()) {
      const Digest blob = queue_.front();
      queue_.pop_front();
      lock.unlock();
      join(blob, stop);
    } else {
      lock.unlock();
    }
    if (std::chrono::steady_clock::now() - renewed < kRenew) continue;
    renewed = std::chrono::steady_clock::now();
    renew(stop);
  }
}

void SwarmPrefetch::join(const Digest& blob, const std::stop_token& stop) {
  absl::StatusOr<Swarm::Blob> found = sites_.find(blob, stop);
  if (!found.ok()) {
    const bool preparing = absl::IsFailedPrecondition(found.status());
    if (preparing && ask_soon_again(blob)) return;
    if (!absl::IsNotFound(found.status()) && !preparing && !stop.stop_requested()) {
      log::warning("no site lets us into a swarm", {{"blob", blob.brief()}, {"error", found.status()}});
    }
    return settle(blob, Join::State::kRefused, options_.retry);
  }
  {
    const std::lock_guard lock(mutex_);
    found->index = joins_[blob].index;
  }
  const absl::Status joined = swarm_.join(*std::move(found));
  if (!joined.ok()) log::warning("can't share a blob", {{"blob", blob.brief()}, {"error", joined}});
  settle(blob, joined.ok() ? Join::State::kJoined : Join::State::kRefused, options_.retry);
}

/// False when the site takes too long to hash it.
bool SwarmPrefetch::ask_soon_again(const Digest& blob) {
  const std::lock_guard lock(mutex_);
  const auto it = joins_.find(blob);
  if (it == joins_.end() || clock_.now() - it->second.wanted_since >= options_.stall) return false;
  preparing_.push_back(blob);
  return true;
}

/// What was asked for meanwhile is the swarm's now, or goes the other way.
void SwarmPrefetch::settle(const Digest& blob, Join::State state, std::chrono::milliseconds ask_again) {
  std::vector<Wish> wishes;
  {
    const std::lock_guard lock(mutex_);
    Join& join = joins_[blob];
    join.state = state;
    join.ask_again = clock_.now() + ask_again;
    join.last_piece = clock_.now();
    wishes.swap(join.wishes);
  }
  if (state != Join::State::kRefused) return;
  for (const Wish& wish : wishes) direct_.prefetch(wish.layer, wish.first, wish.count, FetchClass::kBackground);
}

/// Tokens run out, and sites forget them when they restart: asks anew for blobs whose tracker refuses us.
void SwarmPrefetch::renew(const std::stop_token& stop) {
  for (const auto& [blob, state] : swarm_.states()) {
    if (state.tracker_error.empty() || stop.stop_requested()) continue;
    absl::StatusOr<Swarm::Blob> found = sites_.find(blob, stop);
    if (found.ok()) (void)swarm_.join(*std::move(found));  // it is shared already: only learns of trackers and peers
  }
}

}  // namespace samara::peer
