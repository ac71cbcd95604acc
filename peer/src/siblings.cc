#include "peer/siblings.h"

#include <algorithm>

#include "base/text.h"
#include "peer/neighbour_ranking.h"

namespace samara::peer {

Siblings::Siblings(http::Client& client, Options options, SiteAccess access, const Clock& clock)
    : options_(std::move(options)), clock_(clock) {
  for (const std::string& url : options_.urls) {
    if (url == options_.self) continue;
    siblings_[url].client = std::make_unique<SiteClient>(client, std::vector<std::string>{url}, access);
  }
}

void Siblings::remembers(LayerOrigins& origins) {
  for (auto& [url, sibling] : siblings_) sibling.client->remembers(origins);
}

std::vector<SiteClient*> Siblings::before_us(const Digest& blob) {
  std::vector<SiteClient*> before;
  const std::lock_guard lock(mutex_);
  for (const std::string& url : ranked(options_.urls, blob, 0)) {
    if (url == options_.self) break;
    const Sibling& sibling = siblings_.at(url);
    if (clock_.now() >= sibling.rests_until) before.push_back(sibling.client.get());
  }
  return before;
}

void Siblings::note(const SiteClient* client, const absl::Status& outcome) {
  const bool away = absl::IsUnavailable(outcome) || absl::IsDeadlineExceeded(outcome);
  const std::lock_guard lock(mutex_);
  const auto it = std::find_if(siblings_.begin(), siblings_.end(),
                               [&](const auto& entry) { return entry.second.client.get() == client; });
  if (it == siblings_.end()) return;
  Sibling& sibling = it->second;
  if (!away) {
    sibling.failures = 0;
    return;
  }
  const auto rest = options_.first_rest * (1u << std::min(sibling.failures++, 10u));
  sibling.rests_until = clock_.now() + std::min<std::chrono::milliseconds>(rest, options_.longest_rest);
}

absl::Status Siblings::fetch(const Digest& object, const ByteRange& range, std::stop_token stop,
                             const OnBytes& on_bytes) {
  return fetch_for(FetchClass::kBlocking, object, range, std::move(stop), on_bytes);
}

absl::Status Siblings::fetch_for(FetchClass urgency, const Digest& object, const ByteRange& range, std::stop_token stop,
                                 const OnBytes& on_bytes) {
  absl::Status error = absl::NotFoundError("no sibling is to bring it");
  ByteRange rest = range;
  for (SiteClient* const sibling : before_us(object)) {
    absl::Status receiver;
    const absl::Status status = sibling->fetch_for(urgency, object, rest, stop, [&](std::span<const std::uint8_t> bytes) {
      receiver = on_bytes(bytes);
      if (receiver.ok()) rest.begin += bytes.size();
      return receiver;
    });
    if (!receiver.ok()) return receiver;
    if (absl::IsCancelled(status)) return status;
    note(sibling, status);
    if (status.ok() || rest.empty()) return absl::OkStatus();
    error = status;
  }
  return error;
}

}  // namespace samara::peer
