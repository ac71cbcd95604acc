#include "seed/blob_readers.h"

#include <algorithm>
#include <utility>

#include "peer/neighbour_protocol.h"

namespace samara::seed {
namespace {

/// A list of so many nodes is asked for a second later: what all of them get is nodes times nodes. One that hasn't grown
/// for a while is asked for after as long again: those who start together have heard of each other by then.
constexpr std::size_t kNodesASecond = 64;
constexpr int kMissed = 3;  // so often a node may be late

std::string_view address_of(std::string_view url) {
  const std::size_t host = url.find("//") + 2;
  return url.substr(host, url.rfind(':') - host);
}

/// Everybody is told the same ones, whoever asks.
void keep_some(std::vector<std::string>& urls) {
  if (urls.size() <= peer::kMostNeighbours) return;
  std::sort(urls.begin(), urls.end(), [](const std::string& a, const std::string& b) {
    return std::pair(a.substr(a.size() / 2), a) < std::pair(b.substr(b.size() / 2), b);
  });
  urls.resize(peer::kMostNeighbours);
}

}  // namespace

absl::StatusOr<BlobReaders::Told> BlobReaders::ask(const Digest& blob, const std::string& url, TimePoint now) {
  if (readers_.size() >= options_.max_blobs) forget_unread(now);
  if (readers_.size() >= options_.max_blobs) return absl::ResourceExhaustedError("too many blobs at once");
  Readers& readers = readers_[blob];
  forget_old(readers, now);
  const auto known = readers.until.find(url);
  if (known == readers.until.end() && may_keep(readers, address_of(url))) {
    readers.grown = now;
    ++readers.of_address[std::string(address_of(url))];
    readers.until[url] = {};
  }
  Told told{.urls = {}, .ask_again = ask_again(readers, now)};
  if (const auto kept = readers.until.find(url); kept != readers.until.end()) {
    kept->second = now + kMissed * told.ask_again;
  }
  for (const auto& [reader, until] : readers.until) told.urls.push_back(reader);
  keep_some(told.urls);
  return told;
}

void BlobReaders::forget_old(Readers& readers, TimePoint now) {
  std::erase_if(readers.until, [&](const auto& entry) {
    if (entry.second > now) return false;
    const auto address = readers.of_address.find(address_of(entry.first));
    if (--address->second == 0) readers.of_address.erase(address);
    return true;
  });
}

void BlobReaders::forget_unread(TimePoint now) {
  for (auto it = readers_.begin(); it != readers_.end();) {
    forget_old(it->second, now);
    it = it->second.until.empty() ? readers_.erase(it) : std::next(it);
  }
}

bool BlobReaders::may_keep(const Readers& readers, std::string_view address) const {
  if (readers.until.size() >= options_.max_nodes) return false;
  const auto it = readers.of_address.find(address);
  return it == readers.of_address.end() || it->second < options_.max_nodes_of_address;
}

std::chrono::seconds BlobReaders::ask_again(const Readers& readers, TimePoint now) const {
  const std::chrono::seconds by_size(readers.until.size() / kNodesASecond);
  const auto by_age = std::chrono::floor<std::chrono::seconds>(now - readers.grown);
  return std::clamp(std::max(by_size, by_age), options_.soon, options_.late);
}

}  // namespace samara::seed
