#include "seed/seeding.h"

#include <pthread.h>

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "peer/swarm_states.h"

namespace samara::seed {
namespace {

constexpr std::size_t kMostQueued = 10'000;

}  // namespace

Seeding::Seeding(cache_index::Cache& cache, peer::Swarm& swarm, Tracker& tracker, const Grants& grants, Clock& clock,
                 const Options& options)
    : cache_(cache), swarm_(swarm), tracker_(tracker), grants_(grants), clock_(clock), options_(options) {}

void Seeding::start() {
  thread_ = std::jthread([this](std::stop_token stop) { work(std::move(stop)); });
  pthread_setname_np(thread_.native_handle(), "seeding");
}

void Seeding::stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

void Seeding::work(std::stop_token stop) {
  for (auto& [blob, pieces] : swarm_.remembered()) {
    if (stop.stop_requested()) return;
    if (!cache_.has_object(blob)) continue;
    const absl::Status published = publish(blob, std::move(pieces));
    if (!published.ok()) log::warning("a blob is not shared again", {{"blob", blob.to_string()}, {"error", published}});
  }
  while (!stop.stop_requested()) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, stop, options_.check_idle, [this] { return !queue_.empty(); });
    if (queue_.empty()) {
      lock.unlock();
      pause_idle();
      continue;
    }
    const Digest blob = queue_.front();
    queue_.pop_front();
    lock.unlock();
    share(blob);
    lock.lock();
    queued_.erase(blob);
  }
}

void Seeding::share(const Digest& blob) {
  const auto shared = [&]() -> absl::Status {
    SAMARA_ASSIGN_OR_RETURN(const cache_index::ObjectFile file, cache_.open_object(blob));
    SAMARA_ASSIGN_OR_RETURN(peer::BlobPieces pieces, peer::hash_pieces(file.fd.get(), file.size));
    return publish(blob, std::move(pieces));
  }();
  if (!shared.ok()) log::warning("a blob can't be shared", {{"blob", blob.to_string()}, {"error", shared}});
}

absl::Status Seeding::share_arriving(const Digest& blob, peer::BlobPieces pieces, peer::LayerIndex index) {
  return swarm_.has_joined(blob) ? absl::OkStatus() : publish(blob, std::move(pieces), std::move(index));
}

absl::Status Seeding::publish(const Digest& blob, peer::BlobPieces pieces, peer::LayerIndex index) {
  Shared shared{.pieces = pieces, .swarm = swarm_.tracker_key(blob, pieces), .used = clock_.now()};
  SAMARA_RETURN_IF_ERROR(
      swarm_.join({.digest = blob, .pieces = std::move(pieces), .index = std::move(index), .trackers = {}, .peers = {}}));
  tracker_.open(shared.swarm);
  const std::lock_guard lock(mutex_);
  by_swarm_[shared.swarm] = blob;
  shared_.insert_or_assign(blob, std::move(shared));
  return absl::OkStatus();
}

peer::SwarmTicket Seeding::ticket(const Digest& blob, std::string_view node) {
  using State = peer::SwarmTicket::State;
  if (!swarm_.has_joined(blob)) {  // never shared, or its bytes went
    const absl::StatusOr<cache_index::ObjectFile> file = cache_.open_object(blob);
    if (!file.ok() || file->size < peer::kMinSwarmBytes || file->size > peer::kMaxSwarmBytes) return {};
    const std::lock_guard lock(mutex_);
    shared_.erase(blob);
    if (queued_.size() >= kMostQueued) return {};
    if (queued_.insert(blob).second) {
      queue_.push_back(blob);
      changed_.notify_all();
    }
    return {.state = State::kPreparing, .pieces = {}, .token = {}};
  }
  touch(blob);
  const std::lock_guard lock(mutex_);
  const auto it = shared_.find(blob);
  if (it == shared_.end()) return {.state = State::kPreparing, .pieces = {}, .token = {}};
  return {.state = State::kReady,
          .pieces = it->second.pieces,
          .token = grants_.issue(it->second.swarm, node),
          .seed_port = swarm_.port()};
}

/// Somebody wants the blob: it isn't idle, and no longer paused.
void Seeding::touch(const Digest& blob) {
  {
    const std::lock_guard lock(mutex_);
    const auto it = shared_.find(blob);
    if (it == shared_.end()) return;
    it->second.used = clock_.now();
    if (!std::exchange(it->second.paused, false)) return;
  }
  swarm_.resume(blob);
}

void Seeding::pause_idle() {
  std::vector<Digest> idle;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [blob, shared] : shared_) {
      if (shared.paused || clock_.now() - shared.used < options_.idle) continue;
      if (tracker_.counts(shared.swarm).incomplete > 0) continue;
      shared.paused = true;
      idle.push_back(blob);
    }
  }
  for (const Digest& blob : idle) swarm_.pause(blob);
}

std::string Seeding::announce(const http::Target& target, std::string_view node) {
  const absl::StatusOr<Announce> announce = parse_announce(target, node);
  if (!announce.ok()) return tracker_failure(to_std(announce.status().message()));
  const absl::Status granted = grants_.check(target.query_value("token"), announce->swarm, node);
  if (!granted.ok()) return tracker_failure(to_std(granted.message()));
  const absl::StatusOr<std::string> answer = tracker_.announce(*announce);
  if (!answer.ok()) return tracker_failure(to_std(answer.status().message()));
  if (announce->left > 0) {
    Digest blob;
    {
      const std::lock_guard lock(mutex_);
      const auto it = by_swarm_.find(announce->swarm);
      if (it != by_swarm_.end()) blob = it->second;
    }
    touch(blob);
  }
  return *answer;
}

std::string Seeding::scrape(const http::Target& target, std::string_view node) {
  std::vector<std::string_view> swarms;
  for (const auto& [key, value] : target.query) {
    // A token is for one swarm, so that is all a node may ask for at once.
    if (key == "info_hash" && grants_.check(target.query_value("token"), value, node).ok()) swarms.push_back(value);
  }
  if (swarms.empty()) return tracker_failure("not a token of this site for this node and blob");
  return tracker_.scrape(swarms);
}

bool Seeding::is_tracker(const http::Request& request) {
  return request.target.path == peer::kAnnouncePath || request.target.path == peer::kScrapePath;
}

bool Seeding::handle(const http::Request& request, http::ResponseWriter& out) {
  const std::string_view path = request.target.path;
  const bool blob_route = path.starts_with(peer::kSwarmPath), states = path == peer::kSwarmsPath;
  if (!blob_route && !states && !is_tracker(request)) return false;
  const std::string node = http::host_of_peer(request.peer);
  // A client that left needs no answer: the statuses of respond() are dropped.
  if (request.method != "GET" && request.method != "HEAD") {
    out.header("Allow", "GET, HEAD");
    (void)out.respond(405, "only GET and HEAD\n", "text/plain");
  } else if (states) {
    (void)out.respond(200, peer::encode(swarm_.states(), options_.sources ? options_.sources() : std::map<Digest, peer::BlobSources::BySource>()),
                      "text/plain");
  } else if (!blob_route) {
    const bool announces = path == peer::kAnnouncePath;
    (void)out.respond(200, announces ? announce(request.target, node) : scrape(request.target, node), "text/plain");
  } else if (const auto blob = Digest::parse(path.substr(peer::kSwarmPath.size())); !blob.ok()) {
    (void)out.respond(400, str_cat(to_std(blob.status().message()), "\n"), "text/plain");
  } else {
    const bool may = !options_.may_have || options_.may_have(request, *blob);
    (void)out.respond(200, peer::encode(may ? ticket(*blob, node) : peer::SwarmTicket()), "application/octet-stream");
  }
  return true;
}

}  // namespace samara::seed
