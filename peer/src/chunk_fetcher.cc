#include "peer/chunk_fetcher.h"

#include <pthread.h>

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "cache_index/frame.h"
#include "chunk_fetcher_impl.h"

namespace samara::peer {
namespace {

FlightTable::Policy policy_of(const ChunkFetcher::Options& options, const std::vector<RangeSource*>& sources) {
  const auto own = std::count_if(sources.begin(), sources.end(), [](const RangeSource* source) { return !source->stands_in(); });
  return {.limits = {.workers = std::max<std::size_t>(2, options.workers),
                     .background_workers = std::max<std::size_t>(1, options.background_workers),
                     .max_request_bytes = options.max_request_bytes},
          .read_deadline = options.read_deadline,
          .hedge_after = options.hedge_after,
          .sources = std::max<std::size_t>(1, static_cast<std::size_t>(own))};
}

/// A read that waits longer is counted, with the cause.
constexpr std::chrono::milliseconds kStall{100};

std::size_t cache_threads(const ChunkFetcher::Options& options) {
  if (options.cache_threads > 0) return options.cache_threads;
  return std::max(2u, std::thread::hardware_concurrency());
}

}  // namespace

std::unique_ptr<ChunkFetcher> ChunkFetcher::create(cache_index::Cache& cache, std::vector<RangeSource*> sources,
                                                   Metrics& metrics, Clock& clock, const Options& options) {
  return std::unique_ptr<ChunkFetcher>(
      new ChunkFetcher(std::make_unique<Impl>(cache, std::move(sources), metrics, clock, options)));
}

ChunkFetcher::ChunkFetcher(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ChunkFetcher::~ChunkFetcher() = default;

void ChunkFetcher::read(const LayerIndex& layer, std::uint32_t chunk, FetchClass urgency, Done done) {
  impl_->read(layer, chunk, urgency, std::move(done));
}
void ChunkFetcher::prefetch(const LayerIndex& layer, std::uint32_t first, std::uint32_t count, FetchClass urgency) {
  impl_->prefetch(layer, first, count, urgency);
}
void ChunkFetcher::read_frame(const LayerIndex& layer, std::uint32_t chunk, FetchClass urgency, Done done) {
  impl_->read_frame(layer, chunk, urgency, std::move(done));
}
void ChunkFetcher::wait_idle() { impl_->wait_idle(); }
void ChunkFetcher::close() { impl_->close(); }
std::map<Digest, BlobSources::BySource> ChunkFetcher::blob_sources() const { return impl_->blob_sources(); }
std::optional<SlowFetch> ChunkFetcher::slow_fetch(const Digest& chunk) const { return impl_->slow_fetch(chunk); }
std::chrono::milliseconds ChunkFetcher::since_blocking_fetch() const { return impl_->since_blocking_fetch(); }

ChunkFetcher::Impl::Impl(cache_index::Cache& cache, std::vector<RangeSource*> sources, Metrics& metrics, Clock& clock,
                         const Options& options)
    : cache_(cache),
      sources_(std::move(sources)),
      clock_(clock),
      options_(options),
      metrics_(metrics, sources_),
      memory_(options.memory_bytes),
      table_(policy_of(options, sources_)),
      last_blocking_(clock.now().time_since_epoch().count()) {
  cache_pool_.emplace("chunk-cache", cache_threads(options));
  for (std::size_t i = 0; i < std::max<std::size_t>(2, options.workers); ++i) {
    workers_.emplace_back([this] { work(); });
    pthread_setname_np(workers_.back().native_handle(), "chunk-fetch");
  }
  clockwork_ = std::thread([this] { keep_time(); });
  pthread_setname_np(clockwork_.native_handle(), "chunk-clock");
}

void ChunkFetcher::Impl::close() {
  stop_.request_stop();
  send(table_.close());
}

ChunkFetcher::Impl::~Impl() {
  close();
  for (std::thread& worker : workers_) worker.join();
  clockwork_.join();
  cache_pool_.reset();
}

void ChunkFetcher::Impl::read(const LayerIndex& layer, std::uint32_t position, FetchClass urgency, Done done) {
  if (position >= layer->info().chunk_count) {
    return done(absl::OutOfRangeError(str_cat("chunk ", position, " of ", layer->info().chunk_count)));
  }
  const absl::StatusOr<cache_index::Chunk> chunk = layer->chunk(position);
  if (!chunk.ok()) return done(chunk.status());
  if (ChunkBytes bytes = memory_.find(chunk->digest)) {
    metrics_.from_memory.add(urgency, chunk->blob_size);
    blob_sources_.add(layer->info().blob, "memory", chunk->blob_size);
    return done(std::move(bytes));
  }

  FlightTable::Joined joined = table_.join(*chunk, layer->info().blob, urgency, done, clock_.now());
  if (joined.refused) return joined.refused->done(std::move(joined.refused->result));
  if (joined.bytes != nullptr) {
    metrics_.from_memory.add(urgency, chunk->blob_size);
    blob_sources_.add(layer->info().blob, "memory", chunk->blob_size);
    return done(std::move(joined.bytes));
  }
  if (joined.created == nullptr) return;
  if (cache_.has_chunk(chunk->digest)) {
    cache_pool_->run([this, flight = joined.created] { look_in_cache(flight); });
  } else {
    table_.enqueue(joined.created);
    metrics_.waiting.set(static_cast<double>(table_.waiting_chunks()));
  }
}

void ChunkFetcher::Impl::read_frame(const LayerIndex& layer, std::uint32_t position, FetchClass urgency, Done done) {
  const absl::StatusOr<cache_index::Chunk> chunk = layer->chunk(position);
  if (!chunk.ok()) return done(chunk.status());
  if (absl::StatusOr<std::string> frame = cache_.read_frame(*chunk); frame.ok()) {
    return done(std::make_shared<const std::string>(*std::move(frame)));
  }
  FlightTable::Joined joined = table_.join(*chunk, layer->info().blob, urgency, done, clock_.now(), true);
  if (joined.refused) return joined.refused->done(std::move(joined.refused->result));
  if (joined.bytes != nullptr) return done(std::move(joined.bytes));
  if (joined.created == nullptr || give_stored_frame(joined.created)) return;
  table_.enqueue(joined.created);
  metrics_.waiting.set(static_cast<double>(table_.waiting_chunks()));
}

/// Another flight may have ended between the look in the cache and this one's beginning: nothing is fetched twice.
bool ChunkFetcher::Impl::give_stored_frame(const FlightPtr& flight) {
  if (!cache_.has_chunk(flight->chunk.digest)) return false;
  absl::StatusOr<std::string> frame = cache_.read_frame(flight->chunk);
  if (!frame.ok()) return false;
  absl::StatusOr<std::string> opened = cache_index::open_frame(flight->chunk, as_bytes(*frame));
  if (!opened.ok()) return false;
  const auto bytes = std::make_shared<const std::string>(*std::move(opened));
  FlightTable::Delivered delivered = table_.deliver(flight, bytes, std::make_shared<const std::string>(*std::move(frame)));
  send(std::move(delivered.replies));
  table_.stored(flight);
  return true;
}

void ChunkFetcher::Impl::look_in_cache(const FlightPtr& flight) {
  if (stop_.stop_requested()) return;
  absl::StatusOr<std::string> read = cache_.read_chunk(flight->chunk);
  if (!read.ok()) {
    if (!absl::IsNotFound(read.status())) {
      log::warning("a chunk can't be read from the cache; fetching it", {{"blob", flight->blob.brief()}, {"error", read.status()}});
    }
    return table_.enqueue(flight);
  }
  const auto bytes = std::make_shared<const std::string>(*std::move(read));
  FlightTable::Delivered delivered = table_.deliver(flight, bytes);
  metrics_.from_cache.add(delivered.urgency, flight->chunk.blob_size);
  blob_sources_.add(flight->blob, "cache", flight->chunk.blob_size);
  note_wait(flight, delivered, "cache");
  remember(flight->chunk.digest, bytes);
  send(std::move(delivered.replies));
  table_.stored(flight);
}

void ChunkFetcher::Impl::remember(const Digest& chunk, const ChunkBytes& bytes) {
  memory_.put(chunk, bytes);
  metrics_.memory.set(static_cast<double>(memory_.bytes()));
}

void ChunkFetcher::Impl::note_wait(const FlightPtr& flight, const FlightTable::Delivered& delivered,
                                   std::string_view source) {
  using std::chrono::duration_cast, std::chrono::milliseconds;
  if (!delivered.blocked_since) return;
  const TimePoint since = *delivered.blocked_since, now = clock_.now();
  if (now - since < SlowFetches::kSlow) return;
  SlowFetch slow{.chunk = flight->chunk.digest, .source = std::string(source), .failed_attempts = delivered.failed_attempts};
  slow.took = duration_cast<milliseconds>(now - since);
  if (delivered.asked_at && *delivered.asked_at > since) slow.queued = duration_cast<milliseconds>(*delivered.asked_at - since);
  if (slow.failed_attempts > 0) {
    slow.cause = SlowCause::kFailures;
  } else if (!delivered.asked_at) {
    slow.cause = SlowCause::kCache;
  } else {
    slow.cause = slow.queued * 2 > slow.took ? SlowCause::kQueue : SlowCause::kSource;
  }
  note_slow(std::move(slow));
}

void ChunkFetcher::Impl::note_slow(SlowFetch slow) {
  if (slow.took > kStall) metrics_.stalls[static_cast<std::size_t>(slow.cause)]->add();
  slow_.add(std::move(slow));
}

void ChunkFetcher::Impl::prefetch(const LayerIndex& layer, std::uint32_t first, std::uint32_t count,
                                  FetchClass urgency) {
  const std::uint32_t all = layer->info().chunk_count;
  if (first >= all) return;
  table_.enqueue_piece({.layer = layer, .begin = first, .end = first + std::min(count, all - first)}, urgency);
  metrics_.waiting.set(static_cast<double>(table_.waiting_chunks()));
}

void ChunkFetcher::Impl::keep_time() {
  while (table_.wait_for_tick()) {
    Replies late = table_.tick(clock_.now());
    if (!late.empty()) blocking_fetch_ended();
    metrics_.stalls[static_cast<std::size_t>(SlowCause::kDeadline)]->add(static_cast<double>(late.size()));
    send(std::move(late));
  }
}

std::chrono::milliseconds ChunkFetcher::Impl::since_blocking_fetch() const {
  if (table_.fetching_blocking()) return std::chrono::milliseconds(0);
  const std::chrono::steady_clock::time_point last{std::chrono::steady_clock::duration(last_blocking_)};
  return std::chrono::duration_cast<std::chrono::milliseconds>(clock_.now() - last);
}

}  // namespace samara::peer
