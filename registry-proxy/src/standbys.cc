#include "registry_proxy/standbys.h"

#include <pthread.h>

#include <algorithm>

#include "base/log.h"

namespace samara::registry_proxy {

Standbys::Standbys(http::Client& client, const Options& options, const peer::SiteAccess& access) : options_(options) {
  for (const std::string& url : options_.urls) {
    auto standby = std::make_unique<Standby>();
    standby->client = std::make_unique<peer::SiteClient>(client, std::vector<std::string>{url}, access);
    standbys_.push_back(std::move(standby));
  }
  for (const auto& standby : standbys_) {
    standby->thread = std::jthread([this, &standby = *standby](const std::stop_token& stop) { run(standby, stop); });
    pthread_setname_np(standby->thread.native_handle(), "standby");
  }
}

void Standbys::stop() {
  for (const auto& standby : standbys_) standby->thread.request_stop();
  for (const auto& standby : standbys_)
    if (standby->thread.joinable()) standby->thread.join();
}

void Standbys::tell(const BlobRef& layer) {
  const peer::SiteClient::LayerQuery query{.layer = layer.digest,
                                           .registry = layer.repository.registry,
                                           .repository = layer.repository.name,
                                           .size = layer.size.value_or(0)};
  {
    const std::lock_guard lock(mutex_);
    for (const auto& standby : standbys_) {
      if (standby->waiting.size() >= kMostWaiting) standby->waiting.pop_front();
      standby->waiting.push_back(query);
    }
  }
  changed_.notify_all();
}

void Standbys::run(Standby& standby, const std::stop_token& stop) {
  std::chrono::milliseconds pause = options_.first_retry;
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [&] { return !standby.waiting.empty(); })) {
    const peer::SiteClient::LayerQuery next = standby.waiting.front();
    standby.waiting.pop_front();
    lock.unlock();
    const auto status = standby.client->layer_status(next, stop);
    lock.lock();
    if (stop.stop_requested()) return;
    if (!absl::IsUnavailable(status.status()) && !absl::IsDeadlineExceeded(status.status())) {
      pause = options_.first_retry;
      // It has its reasons: nodes that need the layer will hear them.
      if (!status.ok() || status->state == peer::LayerStatus::State::kFailed)
        log::info("a standby doesn't take a layer", {{"layer", next.layer.brief()}, {"error", status.ok() ? status->error : status.status().ToString()}});
      continue;
    }
    if (pause == options_.first_retry) log::warning("a standby can't be told of layers", {{"error", status.status()}});
    if (standby.waiting.size() < kMostWaiting) standby.waiting.push_front(next);
    changed_.wait_for(lock, stop, pause, [] { return false; });
    if (stop.stop_requested()) return;
    pause = std::min(2 * pause, options_.longest_retry);
  }
}

}  // namespace samara::registry_proxy
