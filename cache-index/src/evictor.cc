#include "evictor.h"

#include <algorithm>
#include <utility>

namespace samara::cache_index {

void Evictor::start() {
  {
    const std::lock_guard lock(mutex_);
    running_ = true;
  }
  thread_ = std::thread([this] { run(); });
}

void Evictor::stop() {
  {
    const std::lock_guard lock(mutex_);
    running_ = false;
  }
  wake_.notify_all();
  done_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool Evictor::make_room(std::uint64_t bytes) {
  if (space_.fits(bytes)) return true;
  {
    std::unique_lock lock(mutex_);
    if (!running_ || clock_.now() < hopeless_until_) return false;
    wanted_ = std::max(wanted_, bytes);
    const std::uint64_t next = passes_ + 1;  // a pass under way may have looked before we needed anything
    wake_.notify_all();
    done_.wait_for(lock, kPatience, [&] { return !running_ || finished_ >= next; });
  }
  return space_.fits(bytes);
}

void Evictor::run() {
  std::unique_lock lock(mutex_);
  while (running_) {
    wake_.wait_for(lock, kTick, [this] { return !running_ || wanted_ > 0; });
    if (!running_) return;
    const std::uint64_t wanted = std::exchange(wanted_, 0);
    ++passes_;
    lock.unlock();
    run_once(wanted);
    const bool in_vain = wanted > 0 && !space_.fits(wanted);
    lock.lock();
    finished_ = passes_;
    if (in_vain) hopeless_until_ = clock_.now() + kHopeless;
    done_.notify_all();
  }
}

void Evictor::run_once(std::uint64_t wanted) {
  work_.housekeeping();
  const std::optional<std::uint64_t> limit = space_.limit();
  if (!limit) return;
  const std::uint64_t low = *limit / 100 * kLowPercent;
  if (wanted == 0 && space_.used() <= *limit / 100 * kHighPercent) return;
  work_.evict(std::min(low, *limit - std::min(*limit, wanted)));
}

}  // namespace samara::cache_index
