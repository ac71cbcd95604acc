#include "peer/seats.h"

namespace samara::peer {

std::optional<Seats::Seat> Seats::take(const Digest& chunk) {
  const std::lock_guard lock(mutex_);
  std::size_t& taken = taken_[chunk];
  if (taken >= of_a_chunk_) return std::nullopt;
  ++taken;
  return Seat(*this, chunk);
}

void Seats::leave(const Digest& chunk) {
  const std::lock_guard lock(mutex_);
  const auto it = taken_.find(chunk);
  if (--it->second == 0) taken_.erase(it);
}

}  // namespace samara::peer
