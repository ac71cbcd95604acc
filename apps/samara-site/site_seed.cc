#include "site_seed.h"

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "peer/site_protocol.h"

namespace samara {
namespace {

seed::Warming::Options warming_options(const SeedOptions& options, bool swarm) {
  seed::Warming::Options warming;
  warming.fleet.site = options.site;
  warming.jobs.rates = options.rates;
  warming.jobs.rates.swarm = swarm;
  return warming;
}

}  // namespace

SiteSeed::SiteSeed(const SeedOptions& options, const peer::Swarm* swarm, cache_index::Cache& cache, registry_proxy::Images images, const Clock& clock,
                   Metrics& metrics)
    : options_(options),
      swarm_(swarm),
      cache_(cache),
      images_(std::move(images)),
      warming_(cache.store(), *this, clock, metrics, warming_options(options, swarm != nullptr)),
      console_(warming_, [this] { return facts(); }, SAMARA_VERSION) {}

seed::SiteFacts SiteSeed::facts() const {
  seed::SiteFacts facts;
  if (const auto usage = cache_.usage(); usage.ok()) {
    facts.disk_used = usage->disk_bytes;
    facts.disk_limit = usage->limit;
  }
  if (const auto layers = cache_.layers(); layers.ok()) facts.layers = layers->size();
  if (swarm_ == nullptr) return facts;
  for (const auto& [blob, state] : swarm_->states())
    facts.swarms.push_back({blob.to_string(), state.pieces, state.pieces_total, state.peers, state.upload_rate, state.uploaded});
  return facts;
}

absl::Status SiteSeed::start() {
  SAMARA_RETURN_IF_ERROR(warming_.start());
  seed::Server::Options server{.socket = options_.socket, .listen = {}, .tls = {}, .admit = {}, .version = SAMARA_VERSION};
  if (options_.listener) {
    SAMARA_ASSIGN_OR_RETURN(access_, registry_proxy::Access::create(options_.listener->access));
    server.listen = options_.listener->server.listen;
    server.tls = options_.listener->server.tls;
    // The rules are those of the site's other addresses.
    server.admit = [this](const seed::Server::Credentials& shown) {
      http::Request request;
      request.headers.set(peer::kTokenHeader, shown.token);
      request.identity = shown.identity;
      return access_->admit(request);
    };
  }
  absl::StatusOr<std::unique_ptr<seed::Server>> made = seed::Server::create(warming_, server);
  if (!made.ok() && !options_.socket_is_needed) {  // a second site on this machine, or one without the right to /run
    log::warning("the seed has no socket: set [seed] socket", {{"error", made.status()}});
    server.socket.clear();
    if (!options_.listener) return absl::OkStatus();
    made = seed::Server::create(warming_, server);
  }
  SAMARA_RETURN_IF_ERROR(made.status());
  server_ = *std::move(made);
  log::info("the seed serves", {{"site", options_.site}, {"socket", options_.socket}, {"port", server_->port()}});
  return absl::OkStatus();
}

void SiteSeed::stop() {
  warming_.stop();  // first: it ends the waiting of those who watch
  if (server_) server_->stop();
}

absl::StatusOr<peer::WarmImage> SiteSeed::resolve(const seed::WarmWish& wish) {
  SAMARA_ASSIGN_OR_RETURN(peer::WarmImage image, images_.resolve(wish.image, wish.platform));
  if (wish.level != peer::WarmLevel::kTrace || images_.has_trace(image)) return image;
  return absl::FailedPreconditionError(
      "what its containers read while they start isn't known here yet: start one on any node, or ask for --level full");
}

absl::StatusOr<seed::ImageSource::Progress> SiteSeed::convert(const seed::WarmWish&, const peer::WarmImage& image) {
  Progress progress;
  progress.image = image;
  SAMARA_ASSIGN_OR_RETURN(const registry_proxy::Images::Progress now, images_.convert(progress.image));
  progress.done = now.done;
  progress.total = now.total;
  progress.complete = now.complete;
  return progress;
}

}  // namespace samara
