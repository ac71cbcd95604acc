#pragma once

#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <string>

namespace samara::registry_proxy {

/// Lets one caller do what several want at the same time; all get its result.
/// Threads: any. `work` runs without a lock on the thread of whoever came first, and must not throw.
template <typename Result, typename Key = std::string>
class SingleFlight {
 public:
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
    if (others.valid()) return others.get();
    Result result = work();
    promise.set_value(result);
    const std::lock_guard lock(mutex_);
    flights_.erase(key);
    return result;
  }

 private:
  std::mutex mutex_;
  std::map<Key, std::shared_future<Result>> flights_;
};

}  // namespace samara::registry_proxy
