#include "snapshotter/heartbeats.h"

#include <algorithm>

#include "base/log.h"

namespace samara::snapshotter {

Heartbeats::Heartbeats(std::size_t sites, Describe describe, Tell tell, Obey obey, const Clock& clock, const Options& options)
    : describe_(std::move(describe)),
      tell_(std::move(tell)),
      obey_(std::move(obey)),
      clock_(clock),
      options_(options),
      random_(options.seed),
      sites_(sites) {}

void Heartbeats::start() {
  thread_ = std::thread([this] { run(); });
}

void Heartbeats::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void Heartbeats::run() {
  while (true) {
    const Duration wait = step();
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, wait, [this] { return stopping_; });
    if (stopping_) return;
  }
}

Heartbeats::Duration Heartbeats::jittered(Duration time) {
  std::uniform_real_distribution<double> share(0.8, 1.2);
  return std::chrono::duration_cast<Duration>(time * share(random_));
}

Heartbeats::Duration Heartbeats::step() {
  std::vector<std::size_t> due;
  {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < sites_.size(); ++i)
      if (!stopping_ && clock_.now() >= sites_[i].next) due.push_back(i);
  }
  if (!due.empty()) {
    const peer::Heartbeat heartbeat = describe_();
    for (const std::size_t site : due) tell_one(site, heartbeat);
  }
  std::chrono::steady_clock::time_point next = clock_.now() + options_.longest_retry;
  const std::lock_guard lock(mutex_);
  for (const Site& site : sites_) next = std::min(next, site.next);
  return std::max(Duration(10), std::chrono::duration_cast<Duration>(next - clock_.now()));
}

void Heartbeats::tell_one(std::size_t number, const peer::Heartbeat& heartbeat) {
  absl::StatusOr<peer::HeartbeatAnswer> answer = tell_(number, heartbeat);
  std::vector<peer::WarmOrder> orders;
  bool first_failure = false;
  {
    const std::lock_guard lock(mutex_);
    Site& site = sites_[number];
    if (answer.ok()) {
      site.failures = 0;
      site.orders = std::move(answer->orders);
      site.next = clock_.now() + jittered(answer->beat);
    } else {
      first_failure = site.failures++ == 0;
      const Duration pause = options_.first_retry * (1 << std::min(site.failures - 1, 10));
      site.next = clock_.now() + jittered(std::min(pause, options_.longest_retry));
    }
    for (const Site& each : sites_)
      for (const peer::WarmOrder& order : each.orders) {
        const auto same = std::find_if(orders.begin(), orders.end(), [&](const auto& other) { return other.task == order.task; });
        if (same == orders.end()) orders.push_back(order);
      }
  }
  if (first_failure) log::warning("a site can't be told that this node lives", {{"error", answer.status()}});
  if (answer.ok()) obey_(orders);
}

std::optional<std::size_t> Heartbeats::site_of(const Digest& manifest) const {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < sites_.size(); ++i)
    for (const peer::WarmOrder& order : sites_[i].orders)
      if (order.task.manifest == manifest) return i;
  return std::nullopt;
}

}  // namespace samara::snapshotter
