#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "flight.h"

namespace samara::peer {

inline constexpr std::size_t kFetchClasses = 4;

/// Chunks [begin, end) of a layer that somebody wants prefetched. Looked at only when their turn comes, so that a
/// whole layer in the queue costs nothing.
struct LayerPiece {
  LayerIndex layer;
  std::uint32_t begin = 0, end = 0;
};

/// What a worker does next: fetch flights that lie one after the other in one blob, or look what is missing of a piece.
struct FetchTask {
  FetchClass urgency = FetchClass::kBlocking;
  std::vector<FlightPtr> run;
  std::optional<LayerPiece> piece;
};

/// What waits to be fetched, and who may go next: the most urgent class first, within a class first come first served,
/// neighbours in a blob together. Blocking reads of several blobs take turns, so that a container that reads a lot
/// doesn't keep the others waiting. One worker at least is kept for blocking reads, so less urgent tasks are given only
/// while fewer than all workers run such tasks; background tasks have a smaller limit of their own, since each takes
/// its share of the link.
/// Threads: none; the FlightTable guards it.
class FetchQueue {
 public:
  struct Limits {
    std::size_t workers = 8;
    std::size_t background_workers = 2;
    std::uint64_t max_request_bytes = 4u << 20;
  };

  explicit FetchQueue(const Limits& limits) : limits_(limits) {}

  /// Queues it in the class of its urgency; nothing to do when it is queued already.
  void push(const FlightPtr& flight);
  /// Makes a flight more urgent, wherever it is; no effect with less urgency than it has.
  void raise(const FlightPtr& flight, FetchClass urgency);
  /// Takes it out of the queue.
  void remove(const FlightPtr& flight);

  void push_piece(LayerPiece piece, FetchClass urgency);
  /// What was taken and not used: first in its class again.
  void give_back(LayerPiece piece, FetchClass urgency);
  /// Forgets the pieces of a class; returns how many chunks they were.
  std::uint64_t drop_pieces(FetchClass urgency);

  /// The next task, its flights marked as running; nullopt when there is none or the limits forbid it. Counts as
  /// running until finished().
  std::optional<FetchTask> take();
  void finished(FetchClass urgency) { --running_[index(urgency)]; }

  std::uint64_t waiting_chunks() const { return waiting_; }
  bool idle() const;

 private:
  using Entry = std::variant<FlightPtr, LayerPiece>;
  using Place = std::pair<Digest, std::uint64_t>;  // blob and offset

  struct Line {
    std::deque<Entry> entries;  // may hold flights that have left; see is_current()
    std::map<Place, FlightPtr> by_begin, by_end;
  };

  static std::size_t index(FetchClass urgency) { return static_cast<std::size_t>(urgency); }
  bool allows(FetchClass urgency) const;
  std::optional<FetchTask> take_from(FetchClass urgency);
  FetchTask take_run(FlightPtr first);
  FetchTask take_piece(Line& line, FetchClass urgency);
  FlightPtr next_in_turn(Line& line);
  static void unlist(Line& line, const Flight& flight);

  const Limits limits_;
  std::array<Line, kFetchClasses> lines_;
  std::array<std::size_t, kFetchClasses> running_{};
  std::uint64_t waiting_ = 0;
  std::map<Digest, std::uint64_t> turns_;  // when a blob was last read for somebody who waits
  std::uint64_t turn_ = 0;
};

}  // namespace samara::peer
