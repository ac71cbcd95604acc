#include "warmth.h"

#include "base/status.h"
#include "base/text.h"
#include "snapshotter/pressure.h"

namespace samara {
namespace {

/// So long nobody waits again for a site that let somebody wait in vain, unless it answers a heartbeat meanwhile: a link
/// that is cut takes what is sent and gives nothing back, and every start asks for three names.
constexpr std::chrono::seconds kSilence{30};

}  // namespace

absl::StatusOr<std::unique_ptr<Warmth>> Warmth::create(const NodeOptions& options, Parts parts) {
  absl::StatusOr<peer::SiteAccess> access = peer::SiteAccess::create(options.site);
  if (!access.ok()) return access.status();
  return std::unique_ptr<Warmth>(new Warmth(options, std::move(parts), *access));
}

Warmth::Warmth(const NodeOptions& options, Parts parts, const peer::SiteAccess& access)
    : options_(options),
      parts_(std::move(parts)),
      placer_(parts_.cache, *this, parts_.background, parts_.clock, {},
              [pressure = snapshotter::Pressure(options.pressure)] { return pressure.is_high(); }),
      mirror_(parts_.cache, [this](const auto& registry, const auto& repository, const auto& route) { return ask_sites(registry, repository, route); }),
      heartbeats_(
          options.sites.size(), [this] { return describe(); },
          [this](std::size_t site, const peer::Heartbeat& heartbeat) { return tell(site, heartbeat); },
          [this](const std::vector<peer::WarmOrder>& orders) { placer_.set_orders(orders); }, parts_.clock, {}) {
  silent_until_.resize(options.sites.size());
  for (const std::string& url : options.sites) sites_.push_back(std::make_unique<peer::WarmClient>(parts_.client, url, access));
}

void Warmth::start() {
  placer_.start();
  heartbeats_.start();
}

void Warmth::stop() {
  stop_.request_stop();
  heartbeats_.stop();
  placer_.stop();
}

peer::Heartbeat Warmth::describe() {
  peer::Heartbeat beat;
  beat.name = options_.name;
  beat.labels = options_.labels;
  beat.version = SAMARA_VERSION;
  if (const auto usage = parts_.cache.usage(); usage.ok()) {
    beat.disk_used = usage->disk_bytes;
    beat.disk_limit = usage->limit;
    beat.disk_pinned = usage->pinned_bytes;
  }
  beat.reports = placer_.reports();
  parts_.describe(beat);
  return beat;
}

absl::StatusOr<peer::WarmImage> Warmth::image(const Digest& manifest, std::stop_token stop) {
  const std::optional<std::size_t> site = heartbeats_.site_of(manifest);
  if (!site) return absl::NotFoundError("no site orders that image any more");
  absl::StatusOr<peer::WarmImage> image = sites_[*site]->image(options_.name, manifest, stop);
  if (!image.ok()) return image;
  for (const peer::WarmImage::Layer& layer : image->layers)
    if (layer.converted()) parts_.origins.note(layer.record, image->registry, image->repository);
  return image;
}

absl::Status Warmth::fetch_object(const Digest& object, std::uint64_t size, std::stop_token stop) {
  return parts_.site.fetch_object(object, size, parts_.cache, stop);
}

absl::StatusOr<peer::StartTrace> Warmth::start_trace(const Digest& chain, std::stop_token stop) {
  return parts_.site.start_trace(chain, stop);
}

absl::StatusOr<Digest> Warmth::ask_sites(const std::string& registry, const std::string& repository, const std::string& route) {
  absl::StatusOr<Digest> said = absl::UnavailableError("no site");
  for (std::size_t site = 0; site < sites_.size(); ++site) {
    if (is_silent(site)) continue;
    said = sites_[site]->named(registry, repository, route);
    note(site, absl::IsDeadlineExceeded(said.status()));
    if (absl::IsDeadlineExceeded(said.status())) said = absl::UnavailableError(said.status().message());
    if (!absl::IsUnavailable(said.status())) break;
  }
  return said;
}

absl::StatusOr<peer::HeartbeatAnswer> Warmth::tell(std::size_t site, const peer::Heartbeat& heartbeat) {
  absl::StatusOr<peer::HeartbeatAnswer> answer = sites_[site]->beat(heartbeat, stop_.get_token());
  note(site, absl::IsDeadlineExceeded(answer.status()) || absl::IsUnavailable(answer.status()));
  return answer;
}

void Warmth::note(std::size_t site, bool is_silent) {
  const std::lock_guard lock(mutex_);
  silent_until_[site] = is_silent ? parts_.clock.now() + kSilence : std::chrono::steady_clock::time_point();
}

bool Warmth::is_silent(std::size_t site) const {
  const std::lock_guard lock(mutex_);
  return parts_.clock.now() < silent_until_[site];
}

}  // namespace samara
