#include "snapshotter/deadlines.h"

#include <vector>

namespace samara::snapshotter {

// An entry stays in the map until its Armed goes, fired or not, so that the iterator stays good.
Deadlines::Armed::Armed(Deadlines& owner, Clock::time_point at, std::stop_source source)
    : owner_(owner), source_(std::move(source)) {
  {
    const std::lock_guard lock(owner_.mutex_);
    entry_ = owner_.armed_.emplace(at, source_);
    if (!owner_.stopped_) {
      owner_.changed_.notify_one();
      return;
    }
  }
  source_.request_stop();
}

Deadlines::Armed::~Armed() {
  const std::lock_guard lock(owner_.mutex_);
  owner_.armed_.erase(entry_);
}

Deadlines::Deadlines() : thread_([this] { run(); }) {}

Deadlines::~Deadlines() {
  stop();
  thread_.join();
}

Deadlines::Armed Deadlines::arm(std::chrono::milliseconds after) {
  return Armed(*this, Clock::now() + after, std::stop_source());
}

void Deadlines::stop() {
  std::vector<std::stop_source> all;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    for (const auto& [at, source] : armed_) all.push_back(source);
    changed_.notify_one();
  }
  for (std::stop_source& source : all) source.request_stop();
}

bool Deadlines::stopped() const {
  const std::lock_guard lock(mutex_);
  return stopped_;
}

void Deadlines::run() {
  std::unique_lock lock(mutex_);
  while (!stopped_) {
    // Those that fired already are skipped until their owners take them out.
    auto next = armed_.begin();
    while (next != armed_.end() && next->second.stop_requested()) ++next;
    if (next == armed_.end()) {
      changed_.wait(lock);
    } else if (const Clock::time_point at = next->first; at > Clock::now()) {
      changed_.wait_until(lock, at);  // a copy: the entry may go meanwhile
    } else {
      std::stop_source due = next->second;
      lock.unlock();
      due.request_stop();
      lock.lock();
    }
  }
}

}  // namespace samara::snapshotter
