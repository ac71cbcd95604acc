#pragma once

#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <string>

#include "base/metrics.h"

namespace samara::registry_proxy {

/// Lets one caller do what several want at the same time; all get its result.
/// Threads: any. `work` runs without a lock on the thread of whoever came first, and must not throw.
template <typename Result, typename Key = std::string>
class SingleFlight {
 public:
  /// `joined` is borrowed, and counts those who got another one's result; nullptr: nobody counts.
  explicit SingleFlight(Metrics::Counter* joined = nullptr) : joined_(joined) {}

  Result run(const Key& key, const std::function<Result()>& work) {
    std::promise<Result> promise;
    std::shared_future<Result> others;
    {
      const std::lock_guard lock(mutex_);
      if (const auto it = flights_.find(key); it != flights_.end()) {
        others = it->second;
      } else {
        flights_.emplace(key, promise.get_future().share());
      }
    }
    if (others.valid()) {
      if (joined_ != nullptr) joined_->add();
      return others.get();
    }
    Result result = work();
    promise.set_value(result);
    const std::lock_guard lock(mutex_);
    flights_.erase(key);
    return result;
  }

 private:
  Metrics::Counter* const joined_;
  std::mutex mutex_;
  std::map<Key, std::shared_future<Result>> flights_;
};

}  // namespace samara::registry_proxy
