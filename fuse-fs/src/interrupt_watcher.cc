#include "interrupt_watcher.h"

#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <iterator>
#include <utility>

#include "thread_signals.h"

namespace samara::fuse_fs {
namespace {

constexpr std::chrono::milliseconds kInterval{50};

}  // namespace

InterruptWatcher::InterruptWatcher(std::function<bool(pid_t)> is_dying) : is_dying_(std::move(is_dying)) {
  const BlockSignals block;
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "fuse-interrupt");
}

InterruptWatcher::~InterruptWatcher() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void InterruptWatcher::interrupted(const std::shared_ptr<ReadOperation>& read, pid_t reader) {
  const Watched watched{read, reader};
  if (!still_wanted(watched)) return;
  const std::lock_guard lock(mutex_);
  watched_.push_back(watched);
  wake_.notify_one();
}

bool InterruptWatcher::still_wanted(const Watched& watched) const {
  if (watched.read->answered()) return false;
  if (!is_dying_(watched.reader)) return true;
  watched.read->cancel(EINTR);
  return false;
}

void InterruptWatcher::run() {
  std::vector<Watched> looking_at;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (looking_at.empty()) {
      wake_.wait(lock, [&] { return stopping_ || !watched_.empty(); });
    } else {
      wake_.wait_for(lock, kInterval, [&] { return stopping_; });
    }
    std::move(watched_.begin(), watched_.end(), std::back_inserter(looking_at));
    watched_.clear();
    lock.unlock();
    std::erase_if(looking_at, [&](const Watched& watched) { return !still_wanted(watched); });
    lock.lock();
  }
}

}  // namespace samara::fuse_fs
