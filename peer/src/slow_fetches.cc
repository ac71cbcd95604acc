#include "peer/slow_fetches.h"

namespace samara::peer {

std::string_view to_string(SlowCause cause) {
  constexpr std::array<std::string_view, kSlowCauses> kNames = {"cache", "queue", "source", "failures", "deadline"};
  return kNames[static_cast<std::size_t>(cause)];
}

void SlowFetches::add(SlowFetch fetch) {
  const std::lock_guard lock(mutex_);
  if (fetches_.size() < kMost) {
    fetches_.push_back(std::move(fetch));
  } else {
    fetches_[next_] = std::move(fetch);
  }
  next_ = (next_ + 1) % kMost;
}

std::optional<SlowFetch> SlowFetches::find(const Digest& chunk) const {
  const std::lock_guard lock(mutex_);
  for (std::size_t back = 1; back <= fetches_.size(); ++back) {
    const SlowFetch& fetch = fetches_[(next_ + kMost - back) % kMost];
    if (fetch.chunk == chunk) return fetch;
  }
  return std::nullopt;
}

}  // namespace samara::peer
