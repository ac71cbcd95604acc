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

SiteSeed::SiteSeed(const SeedOptions& options, const peer::Swarm* swarm, Parent* parent, cache_index::Cache& cache, registry_proxy::Images images,
                   registry_proxy::ImageImport import, http::Client& client, const Clock& clock, Metrics& metrics)
    : options_(options),
      swarm_(swarm),
      parent_(parent),
      cache_(cache),
      images_(std::move(images)),
      import_(std::move(import)),
      warming_(cache.store(), *this, clock, metrics, warming_options(options, swarm != nullptr)),
      console_(warming_, [this] { return facts(); }, SAMARA_VERSION) {
  if (parent_ == nullptr || !options_.tell_parent) return;
  for (const std::string& url : parent_->options.urls) add_relay(url, client, clock);
}

void SiteSeed::add_relay(const std::string& url, http::Client& client, const Clock& clock) {
  above_.push_back(std::make_unique<peer::WarmClient>(client, url, parent_->access));
  peer::WarmClient* const above = above_.back().get();
  relays_.push_back(std::make_unique<seed::Relay>(
      seed::Relay::Parts{.warming = warming_,
                         .images = *this,
                         .clock = clock,
                         .from = url,
                         .tell = [this, above](const peer::SiteBeat& beat) { return above->beat(beat, stop_.get_token()); },
                         .fetch = [this, above](const std::string& node, const Digest& manifest) {
                           return above->image(str_cat(options_.site, "/", node), manifest, stop_.get_token());
                         },
                         .describe = [this](peer::SiteBeat& beat) { describe(beat); }},
      seed::Relay::Options()));
}

void SiteSeed::describe(peer::SiteBeat& beat) const {
  beat.self.name = options_.site;
  beat.self.version = SAMARA_VERSION;
  if (const auto usage = cache_.usage(); usage.ok()) {
    beat.self.disk_used = usage->disk_bytes;
    beat.self.disk_limit = usage->limit;
  }
  const peer::Link::Ledger ledger = parent_->link.ledger(1);
  beat.link_rate = ledger.options.bytes_per_second;
  beat.link_day = ledger.options.bytes_per_day;
  if (!ledger.days.empty()) beat.link_today = ledger.days.front().total();
}

std::uint64_t SiteSeed::lacking(const peer::WarmImage& image) {
  std::map<Digest, std::uint64_t> here;  // of blobs that are on their way
  if (parent_ != nullptr)
    for (const auto& arriving : parent_->layers.progress()) here[arriving.record.blob] = arriving.bytes_here;
  std::uint64_t bytes = 0;
  for (const peer::WarmImage::Layer& layer : image.layers) {
    const absl::StatusOr<cache_index::LayerRecord> own = cache_.layer(layer.record.layer);
    const cache_index::LayerRecord& record = own.ok() ? *own : layer.record;
    if (record.index.is_null()) {
      bytes += record.layer_size;
      continue;
    }
    if (!cache_.has_object(record.index)) bytes += record.index_size;
    const auto arriving = here.find(record.blob);
    if (arriving != here.end()) {
      bytes += record.blob_size - std::min(record.blob_size, arriving->second);
    } else if (!cache_.has_object(record.blob)) {
      bytes += record.blob_size;
    }
  }
  return bytes;
}

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
  seed::Server::Options server{.socket = options_.socket, .listen = {}, .tls = {}, .admit = {}, .version = SAMARA_VERSION, .import = &import_};
  for (const auto& relay : relays_) relay->start();
  if (options_.listener) {
    // Says what is wrong with certificates, which gRPC would only show to whoever connects.
    SAMARA_RETURN_IF_ERROR(http::Server::create({.tls = options_.listener->server.tls}, [](const auto&, auto&) {}).status());
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
    log::warning("another samara-site on this machine, or nobody, has the seed's socket: `samara warm`, `jobs` and `nodes` don't "
                 "reach this one. Give it a path of its own ([seed] socket), and name that by --seed unix://PATH",
                 {{"socket", options_.socket}, {"error", made.status()}});
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
  stop_.request_stop();
  for (const auto& relay : relays_) relay->stop();
  warming_.stop();  // before the server: it ends the waiting of those who watch
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
