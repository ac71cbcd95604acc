#include "peer/neighbours.h"

#include <pthread.h>

#include <algorithm>
#include <optional>
#include <set>

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "peer/neighbour_ranking.h"
#include "peer/site_protocol.h"

namespace samara::peer {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kSitePatience{3'000};
constexpr milliseconds kLongestSleep{1'000};  // so that a clock moved by hand is noticed
/// A neighbour is beside us: one that is there connects in less than a millisecond. One that brings bytes from the site
/// first says after NeighbourService::Options::patience that it takes longer.
constexpr milliseconds kConnectPatience{100}, kSilence{1'500};

}  // namespace

Neighbours::Neighbours(http::Client& client, std::vector<std::string> sites, SiteAccess access, Clock& clock,
                       Options options)
    : client_(client), sites_(std::move(sites)), access_(std::move(access)), clock_(clock), options_(std::move(options)) {}

void Neighbours::start() {
  thread_ = std::jthread([this](std::stop_token stop) { run(std::move(stop)); });
  pthread_setname_np(thread_.native_handle(), "neighbours");
}

void Neighbours::stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

/// Under the lock.
Neighbours::View& Neighbours::view_of(const Digest& blob) {
  const auto [it, is_new] = views_.try_emplace(blob);
  it->second.used = clock_.now();
  if (is_new) {
    it->second.due = clock_.now();
    changed_.notify_all();
  }
  return it->second;
}

Neighbours::Plan Neighbours::whom_to_ask(const Digest& blob, std::uint64_t offset) {
  const std::lock_guard lock(mutex_);
  const View& view = view_of(blob);
  Plan plan{.urls = owners(view.urls, blob, offset), .ticket = view.ticket};
  if (std::find(plan.urls.begin(), plan.urls.end(), view.self) != plan.urls.end()) return {};
  leave_out_resting(plan.urls);
  plan.urls = in_order_for(view.self, std::move(plan.urls), offset);
  return plan;
}

Neighbours::Plan Neighbours::anybody(const Digest& blob, std::uint64_t offset) {
  const std::lock_guard lock(mutex_);
  const View& view = view_of(blob);
  Plan plan{.urls = ranked(view.urls, blob, offset), .ticket = view.ticket};
  std::erase(plan.urls, view.self);
  leave_out_resting(plan.urls);
  return plan;
}

/// Under the lock.
void Neighbours::leave_out_resting(std::vector<std::string>& urls) const {
  const TimePoint now = clock_.now();
  std::erase_if(urls, [&](const std::string& url) {
    const auto it = health_.find(url);
    return it != health_.end() && now < it->second.until;
  });
}

bool Neighbours::is_ours(const Digest& blob, std::uint64_t offset) {
  const std::lock_guard lock(mutex_);
  const View& view = view_of(blob);
  const std::vector<std::string> best = owners(view.urls, blob, offset);
  return std::find(best.begin(), best.end(), view.self) != best.end();
}

absl::Status Neighbours::admit(std::string_view ticket, const Digest& blob, std::string_view address) const {
  std::vector<std::string> keys;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [site, key] : keys_) keys.push_back(key);
  }
  return check_ticket(ticket, keys, blob, address, std::chrono::floor<std::chrono::seconds>(clock_.wall_now()));
}

void Neighbours::answered(const std::string& url) {
  const std::lock_guard lock(mutex_);
  health_.erase(url);
}

void Neighbours::failed(const std::string& url) {
  const std::lock_guard lock(mutex_);
  Health& health = health_[url];
  health.rest = std::clamp(2 * health.rest, options_.first_rest, options_.last_rest);
  health.until = clock_.now() + health.rest;
}

void Neighbours::lied(const std::string& url) {
  const std::lock_guard lock(mutex_);
  health_[url] = {.rest = options_.last_rest, .until = clock_.now() + options_.liars_rest};
}

http::ClientRequest Neighbours::request_for(const std::string& url) const {
  http::ClientRequest request;
  request.url = url;
  request.connect_timeout = kConnectPatience;
  request.idle_timeout = kSilence;
  access_.apply(request);
  request.headers.remove(kTokenHeader);  // that is for the site alone
  request.any_server_name = true;        // a node is known by its address, and what it gives by digest
  return request;
}

void Neighbours::run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    note_blobs();
    std::optional<Digest> next;
    {
      std::unique_lock lock(mutex_);
      const TimePoint now = clock_.now();
      std::erase_if(views_, [&](const auto& entry) { return now - entry.second.used > options_.forget; });
      std::erase_if(health_, [&](const auto& entry) { return now - entry.second.until > options_.last_rest; });
      const auto soonest = std::min_element(views_.begin(), views_.end(),
                                            [](const auto& a, const auto& b) { return a.second.due < b.second.due; });
      if (soonest == views_.end() || soonest->second.due > now) {
        const auto due = [&] {
          return std::any_of(views_.begin(), views_.end(), [&](const auto& entry) { return entry.second.due <= clock_.now(); });
        };
        changed_.wait_for(lock, stop, kLongestSleep, due);
        continue;
      }
      next = soonest->first;
    }
    ask_sites(*next, stop);
  }
}

void Neighbours::note_blobs() {
  if (!options_.blobs) return;
  const std::vector<Digest> blobs = options_.blobs();
  const std::lock_guard lock(mutex_);
  for (const Digest& blob : blobs) view_of(blob);
}

/// All of them: nodes may have told one of them only that they are there.
void Neighbours::ask_sites(const Digest& blob, const std::stop_token& stop) {
  std::set<std::string> urls;
  std::map<std::string, std::string> keys;
  std::optional<NeighbourList> first;
  for (const std::string& site : sites_) {
    absl::StatusOr<NeighbourList> list = ask(site, blob, stop);
    if (!list.ok()) {
      log::debug("a site names no neighbours", {{"site", site}, {"blob", blob.brief()}, {"error", list.status()}});
      continue;
    }
    urls.insert(list->urls.begin(), list->urls.end());
    keys[site] = list->public_key;
    if (!first) first = *std::move(list);
  }
  const std::lock_guard lock(mutex_);
  const auto it = views_.find(blob);
  if (it == views_.end()) return;
  View& view = it->second;
  view.due = clock_.now() + (first ? first->ask_again : options_.retry);
  if (!first) return;
  for (auto& [site, key] : keys) keys_[site] = std::move(key);
  view.urls.assign(urls.begin(), urls.end());
  view.self = std::move(first->self);
  view.ticket = std::move(first->ticket);
}

absl::StatusOr<NeighbourList> Neighbours::ask(const std::string& site, const Digest& blob,
                                              const std::stop_token& stop) const {
  http::ClientRequest request;
  request.url = str_cat(site, kNeighboursPath, blob.to_string(), "?url=", http::percent_encode(options_.url));
  request.connect_timeout = kSitePatience;
  request.idle_timeout = kSitePatience;
  request.stop = stop;
  access_.apply(request);
  SAMARA_ASSIGN_OR_RETURN(const http::Response response, client_.get(request, kMaxNeighbourListBytes));
  if (response.head.status != 200) return absl::UnavailableError(str_cat("HTTP ", response.head.status));
  return decode_neighbour_list(response.body);
}

}  // namespace samara::peer
