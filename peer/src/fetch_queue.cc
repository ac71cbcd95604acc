#include "fetch_queue.h"

#include <algorithm>
#include <numeric>

namespace samara::peer {
namespace {

/// A piece is looked at in steps of so many chunks: about one request's worth.
constexpr std::uint32_t kPieceChunks = 64;

/// Of more blobs than that it isn't known whose turn was when; they begin anew.
constexpr std::size_t kMostTurns = 1024;

bool is_current(const Flight& flight, FetchClass line) { return flight.queued && flight.urgency == line; }

}  // namespace

void FetchQueue::push(const FlightPtr& flight) {
  if (flight->queued) return;
  flight->queued = true;
  ++waiting_;
  Line& line = lines_[index(flight->urgency)];
  line.entries.push_back(flight);
  line.by_begin.try_emplace({flight->blob, flight->chunk.blob_range().begin}, flight);
  line.by_end.try_emplace({flight->blob, flight->chunk.blob_range().end}, flight);
}

void FetchQueue::raise(const FlightPtr& flight, FetchClass urgency) {
  if (urgency >= flight->urgency) return;
  const bool queued = flight->queued;
  remove(flight);
  flight->urgency = urgency;
  if (queued) push(flight);
}

void FetchQueue::remove(const FlightPtr& flight) {
  if (!flight->queued) return;
  flight->queued = false;  // its entry stays and is passed over
  --waiting_;
  unlist(lines_[index(flight->urgency)], *flight);
}

void FetchQueue::unlist(Line& line, const Flight& flight) {
  const auto erase = [&](std::map<Place, FlightPtr>& places, std::uint64_t at) {
    const auto it = places.find({flight.blob, at});
    if (it != places.end() && it->second.get() == &flight) places.erase(it);
  };
  erase(line.by_begin, flight.chunk.blob_range().begin);
  erase(line.by_end, flight.chunk.blob_range().end);
}

void FetchQueue::push_piece(LayerPiece piece, FetchClass urgency) {
  if (piece.begin >= piece.end) return;
  waiting_ += piece.end - piece.begin;
  lines_[index(urgency)].entries.emplace_back(std::move(piece));
}

void FetchQueue::give_back(LayerPiece piece, FetchClass urgency) {
  if (piece.begin >= piece.end) return;
  waiting_ += piece.end - piece.begin;
  lines_[index(urgency)].entries.emplace_front(std::move(piece));
}

std::uint64_t FetchQueue::drop_pieces(FetchClass urgency) {
  std::uint64_t dropped = 0;
  std::erase_if(lines_[index(urgency)].entries, [&](const Entry& entry) {
    const auto* piece = std::get_if<LayerPiece>(&entry);
    if (piece != nullptr) dropped += piece->end - piece->begin;
    return piece != nullptr;
  });
  waiting_ -= dropped;
  return dropped;
}

bool FetchQueue::allows(FetchClass urgency) const {
  if (urgency == FetchClass::kBlocking) return true;
  const std::size_t all = std::accumulate(running_.begin() + 1, running_.end(), std::size_t{0});
  if (all + 1 >= limits_.workers) return false;
  return urgency != FetchClass::kBackground || running_[index(urgency)] < limits_.background_workers;
}

std::optional<FetchTask> FetchQueue::take() {
  for (std::size_t i = 0; i < kFetchClasses; ++i) {
    const auto urgency = static_cast<FetchClass>(i);
    if (!allows(urgency)) continue;
    if (std::optional<FetchTask> task = take_from(urgency)) {
      ++running_[i];
      return task;
    }
  }
  return std::nullopt;
}

std::optional<FetchTask> FetchQueue::take_from(FetchClass urgency) {
  Line& line = lines_[index(urgency)];
  if (urgency == FetchClass::kBlocking) {
    const FlightPtr flight = next_in_turn(line);
    if (flight != nullptr) return take_run(flight);
  }
  while (!line.entries.empty()) {
    if (std::holds_alternative<LayerPiece>(line.entries.front())) return take_piece(line, urgency);
    const FlightPtr flight = std::get<FlightPtr>(line.entries.front());
    line.entries.pop_front();
    if (is_current(*flight, urgency)) return take_run(flight);
  }
  return std::nullopt;
}

/// The first flight of the blob whose turn is longest ago; null when there is none.
FlightPtr FetchQueue::next_in_turn(Line& line) {
  std::erase_if(line.entries, [](const Entry& entry) {
    const FlightPtr* const flight = std::get_if<FlightPtr>(&entry);
    return flight != nullptr && !is_current(**flight, FetchClass::kBlocking);
  });
  FlightPtr next;
  std::uint64_t last_turn = 0;
  for (const Entry& entry : line.entries) {
    const FlightPtr* const flight = std::get_if<FlightPtr>(&entry);
    if (flight == nullptr) continue;
    const auto found = turns_.find((*flight)->blob);
    const std::uint64_t turn = found == turns_.end() ? 0 : found->second;
    if (next == nullptr || turn < last_turn) {
      next = *flight;
      last_turn = turn;
    }
  }
  if (next == nullptr) return nullptr;
  if (turns_.size() >= kMostTurns) turns_.clear();
  turns_[next->blob] = ++turn_;
  return next;
}

FetchTask FetchQueue::take_run(FlightPtr first) {
  const FetchClass urgency = first->urgency;
  const Line& line = lines_[index(urgency)];
  std::deque<FlightPtr> run;
  std::uint64_t bytes = 0;
  const auto add = [&](FlightPtr flight, bool front) {
    bytes += flight->chunk.blob_size;
    remove(flight);
    ++flight->running;
    flight->running_class = std::min(flight->running_class, urgency);
    front ? run.push_front(std::move(flight)) : run.push_back(std::move(flight));
  };
  // What is asked for at one place and lies next to it, up to a request's size.
  const auto neighbour = [&](const std::map<Place, FlightPtr>& places, std::uint64_t at) -> FlightPtr {
    const auto it = places.find({run.front()->blob, at});
    const bool fits = it != places.end() && bytes + it->second->chunk.blob_size <= limits_.max_request_bytes;
    return fits ? it->second : nullptr;
  };
  add(std::move(first), false);
  while (FlightPtr next = neighbour(line.by_begin, run.back()->chunk.blob_range().end)) add(std::move(next), false);
  while (FlightPtr before = neighbour(line.by_end, run.front()->chunk.blob_range().begin)) add(std::move(before), true);
  return {.urgency = urgency, .run = {run.begin(), run.end()}, .piece = std::nullopt};
}

FetchTask FetchQueue::take_piece(Line& line, FetchClass urgency) {
  LayerPiece& first = std::get<LayerPiece>(line.entries.front());
  LayerPiece taken = first;
  taken.end = std::min(first.end, first.begin + std::min(kPieceChunks, first.end - first.begin));
  first.begin = taken.end;
  if (first.begin == first.end) line.entries.pop_front();
  waiting_ -= taken.end - taken.begin;
  return {.urgency = urgency, .run = {}, .piece = std::move(taken)};
}

bool FetchQueue::idle() const {
  return waiting_ == 0 && std::all_of(running_.begin(), running_.end(), [](std::size_t n) { return n == 0; });
}

}  // namespace samara::peer
