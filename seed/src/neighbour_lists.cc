#include "seed/neighbour_lists.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/text.h"

namespace samara::seed {
namespace {

/// A list of so many nodes is asked for a second later: what all of them get is nodes times nodes.
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

absl::StatusOr<peer::NeighbourList> NeighbourLists::list(const Digest& blob, std::string_view url,
                                                         std::string_view address) {
  SAMARA_ASSIGN_OR_RETURN(const std::string self, peer::neighbour_url(url, address));
  const bool here = cache_.has_object(blob);
  peer::NeighbourList list{.public_key = key_.public_key(), .ticket = {}, .self = self, .ask_again = {}, .urls = {}};
  const auto now = std::chrono::floor<std::chrono::seconds>(clock_.wall_now());
  {
    const std::lock_guard lock(mutex_);
    if (!here && !readers_.contains(blob)) {
      return absl::NotFoundError(str_cat("this site doesn't know ", blob.to_string()));
    }
    if (readers_.size() >= options_.max_blobs) forget_unread();
    if (readers_.size() >= options_.max_blobs) return absl::ResourceExhaustedError("too many blobs at once");
    Readers& readers = readers_[blob];
    forget_old(readers);
    const auto known = readers.until.find(self);
    if (known == readers.until.end() && may_keep(readers, address_of(self))) {
      readers.grown = clock_.now();
      ++readers.of_address[std::string(address_of(self))];
      readers.until[self] = {};
    }
    list.ask_again = ask_again(readers);
    if (const auto kept = readers.until.find(self); kept != readers.until.end()) {
      kept->second = clock_.now() + kMissed * list.ask_again;
    }
    for (const auto& [reader, until] : readers.until) list.urls.push_back(reader);
  }
  keep_some(list.urls);
  list.ticket = peer::sign_ticket(key_, blob, address, now + options_.ticket_lifetime);
  return list;
}

void NeighbourLists::forget_old(Readers& readers) {
  const TimePoint now = clock_.now();
  std::erase_if(readers.until, [&](const auto& entry) {
    if (entry.second > now) return false;
    const auto address = readers.of_address.find(address_of(entry.first));
    if (--address->second == 0) readers.of_address.erase(address);
    return true;
  });
}

void NeighbourLists::forget_unread() {
  for (auto it = readers_.begin(); it != readers_.end();) {
    forget_old(it->second);
    it = it->second.until.empty() ? readers_.erase(it) : std::next(it);
  }
}

bool NeighbourLists::may_keep(const Readers& readers, std::string_view address) const {
  if (readers.until.size() >= options_.max_nodes) return false;
  const auto it = readers.of_address.find(address);
  return it == readers.of_address.end() || it->second < options_.max_nodes_of_address;
}

std::chrono::seconds NeighbourLists::ask_again(const Readers& readers) const {
  if (clock_.now() - readers.grown > options_.late) return options_.late;
  const std::chrono::seconds by_size(readers.until.size() / kNodesASecond);
  return std::clamp(by_size, options_.soon, options_.late);
}

bool NeighbourLists::handle(const http::Request& request, http::ResponseWriter& out) {
  const std::string_view path = request.target.path;
  if (!path.starts_with(peer::kNeighboursPath)) return false;
  // A client that left needs no answer: the statuses of respond() are dropped.
  if (request.method != "GET" && request.method != "HEAD") {
    out.header("Allow", "GET, HEAD");
    (void)out.respond(405, "only GET and HEAD\n", "text/plain");
    return true;
  }
  const absl::StatusOr<Digest> blob = Digest::parse(path.substr(peer::kNeighboursPath.size()));
  const absl::StatusOr<peer::NeighbourList> found =
      blob.ok() ? list(*blob, request.target.query_value("url"), http::host_of_peer(request.peer)) : blob.status();
  if (found.ok()) {
    (void)out.respond(200, peer::encode(*found), "text/plain");
  } else {
    const int status = absl::IsNotFound(found.status()) ? 404 : absl::IsInvalidArgument(found.status()) ? 400 : 503;
    (void)out.respond(status, str_cat(to_std(found.status().message()), "\n"), "text/plain");
  }
  return true;
}

}  // namespace samara::seed
