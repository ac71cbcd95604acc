#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace samara {

/// A fixed number of threads that run tasks first come, first served.
///
/// Threads: run() from any. The destructor runs what is queued, then joins.
class ThreadPool {
 public:
  /// `name` (at most 15 characters) is what top and gdb show.
  ThreadPool(std::string name, std::size_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;

  void run(std::function<void()> task);
  std::size_t size() const { return threads_.size(); }

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace samara
