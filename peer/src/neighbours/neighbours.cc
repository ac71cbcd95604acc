#include "peer/neighbours.h"

#include <pthread.h>

#include <optional>
#include <set>

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "neighbour_memory.h"
#include "peer/site_protocol.h"

namespace samara::peer {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kSitePatience{3'000};
constexpr milliseconds kLongestSleep{1'000};  // so that a clock moved by hand is noticed
/// A neighbour is beside us: one that is there connects in less than a millisecond. One that brings bytes from the site
/// first says after NeighbourService::Options::patience that it takes longer.
constexpr milliseconds kConnectPatience{100}, kSilence{1'500};

NeighbourViews::Told told_by(NeighbourList list) {
  return {.urls = std::move(list.urls), .self = std::move(list.self), .ticket = std::move(list.ticket), .ask_again = list.ask_again};
}

}  // namespace

Neighbours::Neighbours(http::Client& client, std::vector<std::string> sites, SiteAccess access, Clock& clock,
                       Options options)
    : client_(client), sites_(std::move(sites)), access_(std::move(access)), clock_(clock), options_(std::move(options)), views_(options_.rests) {
  if (options_.store == nullptr) return;
  memory_ = std::make_unique<NeighbourMemory>(*options_.store, clock_);
  NeighbourMemory::Known known = memory_->load(sites_);
  keys_ = std::move(known.keys);
  for (auto& [blob, list] : known.blobs) views_.remembered(blob, told_by(std::move(list)), clock_.now());
}

Neighbours::~Neighbours() { stop(); }

std::vector<std::string> Neighbours::tables() { return NeighbourMemory::tables(); }

void Neighbours::start() {
  {
    const std::lock_guard lock(mutex_);
    running_ = true;
  }
  thread_ = std::jthread([this](std::stop_token stop) { run(std::move(stop)); });
  pthread_setname_np(thread_.native_handle(), "neighbours");
}

void Neighbours::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    running_ = false;
    settled_.notify_all();
  }
  thread_.request_stop();
  thread_.join();
}

Neighbours::Plan Neighbours::whom_to_ask(const Digest& blob, std::uint64_t offset) {
  std::unique_lock lock(mutex_);
  note(blob);
  // By the machine's clock: who waits here waits for a socket.
  settled_.wait_for(lock, options_.first_answer, [&] { return views_.is_settled(blob) || !running_; });
  return views_.whom_to_ask(blob, offset, clock_.now());
}

Neighbours::Plan Neighbours::anybody(const Digest& blob, std::uint64_t offset) {
  const std::lock_guard lock(mutex_);
  note(blob);
  return views_.anybody(blob, offset, clock_.now());
}

bool Neighbours::is_ours(const Digest& blob, std::uint64_t offset) {
  const std::lock_guard lock(mutex_);
  note(blob);
  return views_.is_ours(blob, offset, clock_.now());
}

/// Under the lock. The sites are asked at once about a blob that is new.
void Neighbours::note(const Digest& blob) {
  if (views_.note(blob, clock_.now())) changed_.notify_all();
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
  views_.answered(url);
}

void Neighbours::failed(const std::string& url) {
  const std::lock_guard lock(mutex_);
  views_.failed(url, clock_.now());
}

void Neighbours::lied(const std::string& url) {
  const std::lock_guard lock(mutex_);
  views_.lied(url, clock_.now());
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
      const std::optional<NeighbourViews::Due> due = views_.next(clock_.now(), options_.forget);
      if (!due || due->at > clock_.now()) {
        changed_.wait_for(lock, stop, kLongestSleep, [&] {
          const std::optional<NeighbourViews::Due> first = views_.next(clock_.now(), options_.forget);
          return first && first->at <= clock_.now();
        });
        continue;
      }
      next = due->blob;
    }
    ask_sites(*next, stop);
  }
}

void Neighbours::note_blobs() {
  if (!options_.blobs) return;
  const std::vector<Digest> blobs = options_.blobs();
  const std::lock_guard lock(mutex_);
  for (const Digest& blob : blobs) views_.note(blob, clock_.now());
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
  if (first) first->urls.assign(urls.begin(), urls.end());
  if (first && memory_) {
    memory_->remember(blob, *first);
    for (const auto& [site, key] : keys) memory_->remember_key(site, key);
  }
  const std::lock_guard lock(mutex_);
  settled_.notify_all();
  if (!first) return views_.not_told(blob, options_.retry, clock_.now());
  for (auto& [site, key] : keys) keys_[site] = std::move(key);
  views_.told(blob, told_by(*std::move(first)), clock_.now());
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
