#include <algorithm>

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_index/frame.h"
#include "chunk_fetcher_impl.h"
#include "frame_cutter.h"

/// What a fetching worker does with a task.
namespace samara::peer {

using cache_index::Chunk;

void ChunkFetcher::Impl::work() {
  while (std::optional<FetchTask> task = table_.next_task()) {
    if (task->piece) task->run = plan(*std::move(task->piece), task->urgency);
    metrics_.waiting.set(static_cast<double>(table_.waiting_chunks()));
    if (!task->run.empty()) fetch(task->run, task->urgency);
    table_.task_done(task->urgency);
  }
}

/// The first request's worth of chunks that are missing; the rest of the piece goes back to the queue.
std::vector<FlightPtr> ChunkFetcher::Impl::plan(LayerPiece piece, FetchClass urgency) {
  std::vector<Chunk> missing;
  std::uint64_t bytes = 0;
  for (; piece.begin < piece.end; ++piece.begin) {
    const absl::StatusOr<Chunk> chunk = piece.layer->chunk(piece.begin);
    if (!chunk.ok()) {
      log::warning("an index is damaged; not prefetching", {{"blob", piece.layer->info().blob.brief()}, {"error", chunk.status()}});
      piece.begin = piece.end;
      break;
    }
    const bool repeated = std::any_of(missing.begin(), missing.end(),
                                      [&](const Chunk& other) { return other.digest == chunk->digest; });
    if (repeated || is_here(*chunk, urgency)) continue;
    if (!missing.empty() && (missing.back().blob_range().end != chunk->blob_offset ||
                             bytes + chunk->blob_size > options_.max_request_bytes)) {
      break;
    }
    bytes += chunk->blob_size;
    missing.push_back(*chunk);
  }
  std::vector<FlightPtr> run = table_.claim(missing, piece.layer->info().blob, urgency, clock_.now());
  table_.give_back(std::move(piece), urgency);
  return run;
}

bool ChunkFetcher::Impl::is_here(const Chunk& chunk, FetchClass urgency) {
  if (cache_.has_chunk(chunk.digest)) return true;
  return urgency != FetchClass::kBackground && memory_.find(chunk.digest) != nullptr;  // the disk is full
}

void ChunkFetcher::Impl::fetch(const std::vector<FlightPtr>& run, FetchClass urgency) {
  absl::Status error = absl::UnavailableError("there is no source");
  table_.begins(run, clock_.now());
  for (RangeSource* source : sources_) {
    for (const std::vector<FlightPtr>& part : table_.wanted(run, source)) {
      absl::Status status = fetch_from(*source, part, urgency);
      if (!status.ok()) error = std::move(status);
    }
  }
  FlightTable::Dropped dropped = table_.give_up(run, error, clock_.now());
  for (const FetchClass lost : dropped.chunks) {
    FetchMetrics::of(metrics_.dropped, lost).add();
    if (lost == FetchClass::kBlocking) blocking_fetch_ended();
  }
  if (!dropped.chunks.empty() && !stop_.stop_requested()) {
    log::debug("gave up on chunks", {{"blob", run.front()->blob.brief()}, {"chunks", dropped.chunks.size()}, {"error", error}});
  }
  send(std::move(dropped.replies));
}

/// Asks one source for flights that are contiguous in their blob, and deals with each frame as soon as it is complete.
absl::Status ChunkFetcher::Impl::fetch_from(RangeSource& source, const std::vector<FlightPtr>& run,
                                            FetchClass urgency) {
  std::vector<std::uint32_t> sizes;
  for (const FlightPtr& flight : run) sizes.push_back(flight->chunk.blob_size);
  FrameCutter cutter(std::move(sizes), [&](std::size_t i, std::span<const std::uint8_t> frame) {
    frame_came(run[i], frame, source);
  });
  const ByteRange range{run.front()->chunk.blob_range().begin, run.back()->chunk.blob_range().end};
  Metrics::Counter& bytes = *metrics_.source(source).bytes;

  const auto take = [&](std::span<const std::uint8_t> part) {
    bytes.add(static_cast<double>(part.size()));
    return cutter.add(part);
  };
  absl::Status status = source.fetch_for(urgency, run.front()->blob, range, stop_.get_token(), take);
  if (status.ok() && cutter.frames() < run.size()) {
    status = absl::DataLossError(str_cat(source.name(), " ended short of the range of blob ", run.front()->blob.to_string()));
  }
  if (absl::IsDataLoss(status)) {
    for (std::size_t i = cutter.frames(); i < run.size(); ++i) wrong_bytes(run[i], source, status);
  }
  return status;
}

void ChunkFetcher::Impl::frame_came(const FlightPtr& flight, std::span<const std::uint8_t> frame,
                                    RangeSource& source) {
  absl::StatusOr<std::string> opened = cache_index::open_frame(flight->chunk, frame);
  if (!opened.ok()) return wrong_bytes(flight, source, opened.status());
  const auto bytes = std::make_shared<const std::string>(*std::move(opened));
  const ChunkBytes as_it_came = table_.is_frame_wanted(flight) ? std::make_shared<const std::string>(as_text(frame)) : nullptr;
  FlightTable::Delivered delivered = table_.deliver(flight, bytes, as_it_came);
  if (!delivered.first) return;

  const FetchClass urgency = delivered.urgency;
  metrics_.source(source).given.add(urgency, flight->chunk.blob_size);
  blob_sources_.add(flight->blob, source.name(), flight->chunk.blob_size);
  const std::chrono::duration<double> took = clock_.now() - flight->since;
  metrics_.seconds[static_cast<std::size_t>(urgency)]->observe(took.count());
  if (urgency == FetchClass::kBlocking) blocking_fetch_ended();
  note_wait(flight, delivered, source.name());
  if (delivered.waited_for || urgency != FetchClass::kBackground) remember(flight->chunk.digest, bytes);
  send(std::move(delivered.replies));
  store(flight, frame);
  table_.stored(flight);
}

void ChunkFetcher::Impl::wrong_bytes(const FlightPtr& flight, RangeSource& source, const absl::Status& why) {
  log::warning("a source gave wrong bytes", {{"source", source.name()},
                                             {"blob", flight->blob.to_string()},
                                             {"chunk", flight->chunk.digest.brief()},
                                             {"error", why}});
  metrics_.source(source).wrong->add();
  source.gave_wrong_bytes(flight->blob, flight->chunk.blob_offset);
  table_.gave_wrong_bytes(flight, &source, why);
}

void ChunkFetcher::Impl::store(const FlightPtr& flight, std::span<const std::uint8_t> frame) {
  const absl::Status stored = cache_.put_frame(flight->blob, flight->chunk, frame);
  if (stored.ok()) {
    disk_full_ = false;
    return;
  }
  metrics_.not_stored.add();
  if (absl::IsResourceExhausted(stored)) {  // say so once, not for each chunk
    table_.drop_pieces(FetchClass::kBackground);
    if (disk_full_.exchange(true)) return;
  }
  log::warning("the cache can't store a chunk; giving it out all the same",
               {{"blob", flight->blob.brief()}, {"error", stored}});
}

}  // namespace samara::peer
