#include "seed/tracker.h"

#include <algorithm>

#include "base/text.h"

namespace samara::seed {
namespace {

using std::chrono::seconds;

/// Between two passes over all peers of a swarm.
constexpr seconds kSweep{5};

std::string endpoint_of(const Announce& announce) {
  return str_cat(announce.address, std::string{static_cast<char>(announce.port >> 8), static_cast<char>(announce.port & 0xff)});
}

std::string address_of(std::string_view endpoint) { return std::string(endpoint.substr(0, endpoint.size() - 2)); }

std::string bencoded(std::string_view text) { return str_cat(text.size(), ":", text); }

/// BEP 23 and BEP 7: IPv4 endpoints of 6 bytes, IPv6 ones of 18.
std::string encode_answer(const std::vector<std::string>& peers, const Tracker::Counts& counts, seconds interval) {
  std::string v4, v6;
  for (const std::string& peer : peers) (peer.size() == 6 ? v4 : v6) += peer;
  std::string answer = str_cat("d8:completei", counts.complete, "e10:downloadedi", counts.downloaded, "e10:incompletei",
                               counts.incomplete, "e8:intervali", interval.count(), "e12:min intervali",
                               interval.count() / 2, "e5:peers", bencoded(v4));
  if (!v6.empty()) str_append(&answer, "6:peers6", bencoded(v6));
  return answer + "e";
}

}  // namespace

std::string tracker_failure(std::string_view reason) { return str_cat("d14:failure reason", bencoded(reason), "e"); }

void Tracker::open(std::string_view swarm) {
  const std::lock_guard lock(mutex_);
  swarms_.try_emplace(std::string(swarm));
}

void Tracker::close(std::string_view swarm) {
  const std::lock_guard lock(mutex_);
  if (const auto it = swarms_.find(swarm); it != swarms_.end()) swarms_.erase(it);
}

absl::StatusOr<std::string> Tracker::announce(const Announce& announce) {
  const std::lock_guard lock(mutex_);
  const auto it = swarms_.find(announce.swarm);
  if (it == swarms_.end()) return absl::NotFoundError("this site doesn't track the blob");
  Swarm& swarm = it->second;
  forget_old(swarm);

  const std::string self = endpoint_of(announce);
  const bool known = swarm.peers.contains(self);
  if (announce.event == Announce::Event::kCompleted && known && !swarm.peers[self].complete) ++swarm.downloaded;
  erase(swarm, self);
  const bool stays = announce.event != Announce::Event::kStopped && (known || may_keep(swarm, announce));
  const std::size_t missing = swarm.peers.size() - swarm.complete + (stays && announce.left > 0 ? 1 : 0);
  const seconds interval = missing > 0 ? options_.busy : options_.quiet;
  if (stays) {
    // Twice the interval: one lost announce costs nobody a peer.
    swarm.peers[self] = {.complete = announce.left == 0, .until = clock_.now() + 2 * interval + seconds(5)};
    ++swarm.of_address[announce.address];
    swarm.complete += announce.left == 0 ? 1 : 0;
  }
  const Counts counts{swarm.complete, swarm.peers.size() - swarm.complete, swarm.downloaded};
  return encode_answer(pick(swarm, announce, self), counts, interval);
}

bool Tracker::may_keep(const Swarm& swarm, const Announce& announce) const {
  if (swarm.peers.size() >= options_.max_peers) return false;
  const auto it = swarm.of_address.find(announce.address);
  return it == swarm.of_address.end() || it->second < options_.max_peers_of_address;
}

void Tracker::erase(Swarm& swarm, const std::string& endpoint) {
  const auto it = swarm.peers.find(endpoint);
  if (it == swarm.peers.end()) return;
  swarm.complete -= it->second.complete ? 1 : 0;
  const auto address = swarm.of_address.find(address_of(endpoint));
  if (--address->second == 0) swarm.of_address.erase(address);
  swarm.peers.erase(it);
}

void Tracker::forget_old(Swarm& swarm) {
  const TimePoint now = clock_.now();
  if (now - swarm.swept < kSweep) return;
  swarm.swept = now;
  std::vector<std::string> old;
  for (const auto& [endpoint, peer] : swarm.peers) {
    if (peer.until < now) old.push_back(endpoint);
  }
  for (const std::string& endpoint : old) erase(swarm, endpoint);
}

std::vector<std::string> Tracker::pick(const Swarm& swarm, const Announce& announce, const std::string& self) {
  if (announce.event == Announce::Event::kStopped) return {};
  std::vector<std::string> peers;
  for (const auto& [endpoint, peer] : swarm.peers) {
    if (endpoint != self && !(peer.complete && announce.left == 0)) peers.push_back(endpoint);
  }
  const std::size_t count = std::min({peers.size(), announce.wanted, options_.max_answer});
  // The first `count` of a shuffle.
  for (std::size_t i = 0; i < count; ++i) {
    std::swap(peers[i], peers[std::uniform_int_distribution<std::size_t>(i, peers.size() - 1)(random_)]);
  }
  peers.resize(count);
  return peers;
}

Tracker::Counts Tracker::counts(std::string_view swarm) {
  const std::lock_guard lock(mutex_);
  const auto it = swarms_.find(swarm);
  if (it == swarms_.end()) return {};
  forget_old(it->second);
  return {it->second.complete, it->second.peers.size() - it->second.complete, it->second.downloaded};
}

std::string Tracker::scrape(const std::vector<std::string_view>& swarms) {
  std::vector<std::string> keys(swarms.begin(), swarms.end());
  std::sort(keys.begin(), keys.end());  // keys of a bencoded dictionary are sorted, and come once
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  std::string answer = "d5:filesd";
  for (const std::string& key : keys) {
    {
      const std::lock_guard lock(mutex_);
      if (!swarms_.contains(key)) continue;
    }
    const Counts found = counts(key);
    str_append(&answer, bencoded(key), "d8:completei", found.complete, "e10:downloadedi", found.downloaded,
               "e10:incompletei", found.incomplete, "ee");
  }
  return answer + "ee";
}

}  // namespace samara::seed
