#include "endpoints.h"

#include <algorithm>
#include <numeric>

namespace samara::registry_proxy {
namespace {

constexpr std::size_t kMostResting = 4096;  // a client can bring any number of identities

}  // namespace

std::vector<std::size_t> Endpoints::order() const {
  const Time now = clock_.now();
  const std::lock_guard lock(mutex_);
  std::vector<std::size_t> order(failed_until_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_partition(order.begin(), order.end(), [&](std::size_t i) { return failed_until_[i] <= now; });
  return order;
}

bool Endpoints::failed(std::size_t endpoint, std::optional<std::chrono::seconds> wait) {
  const Time now = clock_.now();
  const std::lock_guard lock(mutex_);
  const bool was_in_order = failed_until_[endpoint] <= now;
  failed_until_[endpoint] = now + std::max<std::chrono::milliseconds>(behind_, wait.value_or(std::chrono::seconds(0)));
  return was_in_order;
}

void Endpoints::worked(std::size_t endpoint) {
  const std::lock_guard lock(mutex_);
  failed_until_[endpoint] = {};
}

void Endpoints::rest(std::size_t endpoint, const std::string& identity, std::chrono::seconds wait) {
  const Time now = clock_.now();
  const std::lock_guard lock(mutex_);
  if (resting_.size() >= kMostResting) std::erase_if(resting_, [now](const auto& entry) { return entry.second <= now; });
  if (resting_.size() >= kMostResting) return;  // it will tell us again
  resting_[{endpoint, identity}] = now + wait;
}

std::optional<std::chrono::seconds> Endpoints::resting(std::size_t endpoint, const std::string& identity) const {
  const std::lock_guard lock(mutex_);
  const auto it = resting_.find({endpoint, identity});
  if (it == resting_.end()) return std::nullopt;
  const auto left = it->second - clock_.now();
  if (left <= Time::duration::zero()) return std::nullopt;
  return std::chrono::ceil<std::chrono::seconds>(left);
}

}  // namespace samara::registry_proxy
