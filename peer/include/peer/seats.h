#pragma once

#include <cstddef>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/digest.h"

namespace samara::peer {

/// How many may wait at once for the same chunk, which is still on its way to a site.
///
/// Where a link is thin, a chunk takes longer to come than nodes wait for the neighbour that brings it; each would then
/// wait here instead, and be given a copy of its own. Whoever gets no seat asks its neighbours again, who have it soon
/// after it came (tests/simulation/README.md).
/// Threads: any.
class Seats {
 public:
  /// Enough for those who bring a region into a site of 1,600 nodes (neighbour_ranking.h).
  static constexpr std::size_t kEnough = 8;
  explicit Seats(std::size_t of_a_chunk = kEnough) : of_a_chunk_(of_a_chunk) {}

  /// One who waits, until it goes out of scope. The Seats outlive it.
  class Seat {
   public:
    Seat(Seats& seats, const Digest& chunk) : seats_(&seats), chunk_(chunk) {}
    Seat(Seat&& other) noexcept : seats_(std::exchange(other.seats_, nullptr)), chunk_(other.chunk_) {}
    Seat& operator=(Seat&& other) noexcept {
      std::swap(seats_, other.seats_);
      std::swap(chunk_, other.chunk_);
      return *this;
    }
    ~Seat() {
      if (seats_ != nullptr) seats_->leave(chunk_);
    }

   private:
    Seats* seats_;
    Digest chunk_;
  };
  /// Nullopt when as many wait as may.
  std::optional<Seat> take(const Digest& chunk);

 private:
  void leave(const Digest& chunk);

  const std::size_t of_a_chunk_;
  std::mutex mutex_;
  std::unordered_map<Digest, std::size_t> taken_;
};

}  // namespace samara::peer
