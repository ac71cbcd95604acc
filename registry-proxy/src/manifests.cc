#include "registry_proxy/manifests.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_index/hasher.h"
#include "manifest_memory.h"
#include "outage.h"
#include "outages.h"
#include "single_flight.h"
#include "upstream_metrics.h"

namespace samara::registry_proxy {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::system_clock;

constexpr std::string_view kManifestTable = "manifests";
constexpr std::string_view kTagTable = "tags";
constexpr std::string_view kRepositoryTable = "repositories";

Digest hash(Digest::Algorithm algorithm, std::string_view bytes) {
  cache_index::Hasher hasher(algorithm);
  hasher.update(as_bytes(bytes));
  return hasher.finish();
}

std::string tag_key(const Repository& repository, const std::string& tag) {
  return str_cat(repository.to_string(), ":", tag);
}

Upstream::Request request_for(const Repository& repository, const Reference& reference) {
  Upstream::Request request;
  request.kind = Upstream::Request::Kind::kManifest;
  request.repository = repository.name;
  request.reference = reference.to_string();
  return request;
}

// Sets the digest of what a registry has given. DataLoss when it isn't the one that was asked for, or told.
absl::Status identify(StoredManifest& manifest, const Reference& reference, std::string_view told_digest) {
  const auto told = Digest::parse(told_digest);
  const Digest::Algorithm algorithm = reference.digest ? reference.digest->algorithm()
                                      : told.ok()      ? told->algorithm()
                                                       : Digest::Algorithm::kSha256;
  manifest.digest = hash(algorithm, manifest.bytes);
  if (reference.digest && manifest.digest != *reference.digest)
    return absl::DataLossError(str_cat("the registry's bytes have the digest ", manifest.digest.to_string()));
  if (told.ok() && hash(told->algorithm(), manifest.bytes) != *told)
    return absl::DataLossError("the registry's bytes differ from its Docker-Content-Digest");
  return absl::OkStatus();
}

}  // namespace

class Manifests::Flights : public SingleFlight<absl::StatusOr<StoredManifest>> {
  using SingleFlight::SingleFlight;
};

std::vector<std::string> Manifests::tables() {
  return {std::string(kManifestTable), std::string(kTagTable), std::string(kRepositoryTable), std::string(kReferrersTable),
          "origins"};
}

Manifests::Manifests(cache_index::Cache& cache, Upstreams& upstreams, References& references, const Clock& clock,
                     Metrics& metrics, const Options& options)
    : cache_(cache),
      upstreams_(upstreams),
      references_(references),
      clock_(clock),
      memory_(std::make_unique<ManifestMemory>(clock, options.memory)),
      flights_(std::make_unique<Flights>(&UpstreamMetrics::joined(metrics, "manifest"))),
      outages_(std::make_unique<Outages>(clock, options.pause_after_outage)) {}
Manifests::~Manifests() = default;

absl::StatusOr<StoredManifest> Manifests::get(const Repository& repository, const Reference& reference, const Identity& as) {
  return reference.digest ? by_digest(repository, *reference.digest, as) : by_tag(repository, reference.tag, as);
}

absl::StatusOr<StoredManifest> Manifests::by_digest(const Repository& repository, const Digest& digest, const Identity& as) {
  if (references_.reachable(repository, digest))
    if (auto stored = load(digest); stored.ok()) return stored;
  const std::string flight = str_cat(repository.to_string(), "@", digest.to_string());
  return flights_->run(flight, [&] { return fetch(repository, Reference{{}, digest}, as); });
}

absl::StatusOr<StoredManifest> Manifests::by_tag(const Repository& repository, const std::string& tag, const Identity& as) {
  SAMARA_ASSIGN_OR_RETURN(const Upstream* const upstream, upstreams_.find(repository.registry));
  const std::optional<Tag> known = load_tag(repository, tag);
  if (known && younger(*known, upstream->config().tag_ttl)) {
    auto stored = load(known->digest);
    if (stored.ok()) {
      stored->age = age_of(*known);
      return stored;
    }
  }
  return flights_->run(tag_key(repository, tag), [&] { return refresh_tag(repository, tag, as, Patience::kNormal); });
}

absl::StatusOr<Manifests::Refreshed> Manifests::refresh(const Repository& repository, const std::string& tag,
                                                      const Identity& as) {
  const std::optional<Tag> known = load_tag(repository, tag);
  SAMARA_ASSIGN_OR_RETURN(const StoredManifest now, flights_->run(str_cat(tag_key(repository, tag), " now"), [&] {
    return refresh_tag(repository, tag, as, Patience::kAskNow);
  }));
  return Refreshed{known ? std::optional(known->digest) : std::nullopt, now.digest};
}

// Asks upstream what the tag names now; falls back to what it named last while upstream is away.
absl::StatusOr<StoredManifest> Manifests::refresh_tag(const Repository& repository, const std::string& tag,
                                                      const Identity& as, Patience patience) {
  SAMARA_ASSIGN_OR_RETURN(const Upstream* const upstream, upstreams_.find(repository.registry));
  const UpstreamConfig& config = upstream->config();
  const std::optional<Tag> known = load_tag(repository, tag);
  absl::StatusOr<StoredManifest> stored = absl::NotFoundError("");
  if (known) stored = load(known->digest);
  if (!stored.ok()) return fetch(repository, Reference{tag, std::nullopt}, as);
  stored->age = age_of(*known);
  const bool ask_now = patience == Patience::kAskNow;
  if (!ask_now && younger(*known, config.tag_ttl)) return stored;  // whoever flew before us has asked

  const bool servable = config.stale_for.count() == 0 || younger(*known, config.tag_ttl + config.stale_for);
  if (ask_now || !servable) return check_tag(repository, tag, known->digest, as, Patience::kNormal);
  if (outages_->may_ask(repository.registry)) {
    auto checked = check_tag(repository, tag, known->digest, as, Patience::kLittle);
    outages_->done(repository.registry, is_outage(checked.status()));
    if (checked.ok() || !is_outage(checked.status())) return checked;
    log::warning("a tag can't be checked; giving what it named last", {{"tag", tag_key(repository, tag)},
                                                                       {"digest", known->digest.to_string()},
                                                                       {"error", checked.status()}});
  }
  stored->stale = true;
  return stored;
}

// What the tag names now: the manifest itself is fetched only when it isn't `known` any more.
absl::StatusOr<StoredManifest> Manifests::check_tag(const Repository& repository, const std::string& tag,
                                                    const Digest& known, const Identity& as, Patience patience) {
  const auto now = ask_digest(repository, tag, as, patience);
  if (absl::IsNotFound(now.status())) forget_tag(repository, tag);
  if (!now.ok()) return now.status();
  if (*now == known) {
    SAMARA_RETURN_IF_ERROR(store_tag(repository, tag, known));
    if (auto stored = load(known); stored.ok()) {
      stored->age = std::chrono::seconds(0);
      return stored;
    }
  }
  auto fetched = fetch(repository, Reference{tag, std::nullopt}, as);
  if (absl::IsNotFound(fetched.status())) forget_tag(repository, tag);
  return fetched;
}

// nullopt when the registry doesn't tell digests.
absl::StatusOr<std::optional<Digest>> Manifests::ask_digest(const Repository& repository, const std::string& tag,
                                                              const Identity& as, Patience patience) {
  SAMARA_ASSIGN_OR_RETURN(Upstream* const upstream, upstreams_.find(repository.registry));
  Upstream::Request request = request_for(repository, Reference{tag, std::nullopt});
  request.head = true;
  request.as = as;
  if (patience == Patience::kLittle) request.patience = upstream->config().patience;
  std::optional<Digest> digest;
  const absl::Status status = upstream->fetch(
      request,
      [&](const http::ResponseHead& head) {
        if (const auto parsed = Digest::parse(head.headers.get("Docker-Content-Digest")); parsed.ok()) digest = *parsed;
        return absl::OkStatus();
      },
      [](std::span<const std::uint8_t>) { return absl::OkStatus(); });
  if (!status.ok() && !absl::IsUnimplemented(status)) return status;
  return digest;
}

absl::StatusOr<StoredManifest> Manifests::fetch(const Repository& repository, const Reference& reference, const Identity& as) {
  SAMARA_ASSIGN_OR_RETURN(Upstream* const upstream, upstreams_.find(repository.registry));
  StoredManifest manifest;
  std::string told_digest, content_type;
  Upstream::Request request = request_for(repository, reference);
  request.as = as;
  request.can_start_anew = true;
  request.check = [&] { return identify(manifest, reference, told_digest); };
  SAMARA_RETURN_IF_ERROR(upstream->fetch(
      request,
      [&](const http::ResponseHead& head) {
        manifest.bytes.clear();
        told_digest = head.headers.get("Docker-Content-Digest");
        content_type = head.headers.get("Content-Type");
        return absl::OkStatus();
      },
      [&](std::span<const std::uint8_t> data) {
        if (data.size() > kMaxManifestBytes - manifest.bytes.size())
          return absl::InvalidArgumentError(str_cat("larger than ", kMaxManifestBytes, " bytes: not a manifest"));
        manifest.bytes += as_text(data);
        return absl::OkStatus();
      }));
  const std::string name = str_cat(repository.to_string(), reference.digest ? "@" : ":", reference.to_string());
  auto parsed = parse_manifest(manifest.bytes, content_type);
  if (!parsed.ok()) return annotate(parsed.status(), name);
  manifest.parsed = std::move(*parsed);
  manifest.media_type = manifest.parsed.media_type;
  if (const absl::Status kept = keep(repository, reference, manifest); !kept.ok())
    log::warning("a manifest can't be kept", {{"manifest", name}, {"error", kept}});  // it can still be given
  if (!reference.digest) manifest.age = std::chrono::seconds(0);
  return manifest;
}

// The object first, then the row that speaks of it.
absl::Status Manifests::keep(const Repository& repository, const Reference& reference, const StoredManifest& manifest) {
  if (!cache_.has_object(manifest.digest))
    SAMARA_RETURN_IF_ERROR(cache_.put_object(manifest.digest, as_bytes(manifest.bytes)));
  SAMARA_RETURN_IF_ERROR(cache_.store().write({{std::string(kManifestTable), manifest.digest.key(), manifest.media_type},
                                               {std::string(kRepositoryTable), repository.to_string(), ""}}));
  SAMARA_RETURN_IF_ERROR(references_.note_manifest(repository, manifest.digest, manifest.parsed));
  return reference.digest ? absl::OkStatus() : store_tag(repository, reference.tag, manifest.digest);
}

absl::StatusOr<StoredManifest> Manifests::load(const Digest& digest) {
  if (const ManifestMemory::Held held = memory_->find(digest); held != nullptr) {
    StoredManifest manifest = *held;
    manifest.source = Source::kMemory;
    return manifest;
  }
  auto manifest = load_from_disk(digest);
  if (manifest.ok()) memory_->put(*manifest);
  return manifest;
}

absl::StatusOr<StoredManifest> Manifests::load_from_disk(const Digest& digest) {
  SAMARA_ASSIGN_OR_RETURN(const std::string media_type, cache_.store().get(kManifestTable, digest.key()));
  return read_imported(digest, media_type);
}

absl::StatusOr<StoredManifest> Manifests::read_imported(const Digest& digest, const std::string& media_type) {
  StoredManifest manifest;
  manifest.media_type = media_type;
  SAMARA_ASSIGN_OR_RETURN(const cache_index::ObjectFile object, cache_.open_object(digest));
  if (object.size > kMaxManifestBytes) return absl::DataLossError("a stored manifest is too large");
  manifest.bytes.resize(object.size);
  SAMARA_RETURN_IF_ERROR(
      pread_all(object.fd.get(), {reinterpret_cast<std::uint8_t*>(manifest.bytes.data()), object.size}, 0));
  manifest.digest = hash(digest.algorithm(), manifest.bytes);
  if (manifest.digest != digest) {
    log::error("a stored manifest was altered; fetching it again", {{"manifest", digest.to_string()}});
    SAMARA_RETURN_IF_ERROR(cache_.remove_object(digest));
    return absl::DataLossError("a stored manifest was altered");
  }
  SAMARA_ASSIGN_OR_RETURN(manifest.parsed, parse_manifest(manifest.bytes, manifest.media_type));
  manifest.source = Source::kDisk;
  return manifest;
}

std::optional<Manifests::Tag> Manifests::load_tag(const Repository& repository, const std::string& tag) {
  const auto row = cache_.store().get(kTagTable, tag_key(repository, tag));
  if (!row.ok()) return std::nullopt;
  const std::size_t space = std::min(row->find(' '), row->size());
  const auto digest = Digest::parse(std::string_view(*row).substr(0, space));
  std::int64_t checked = 0;
  if (!digest.ok() || !absl::SimpleAtoi(row->substr(space), &checked)) return std::nullopt;
  return Tag{*digest, system_clock::time_point(milliseconds(checked))};
}

absl::Status Manifests::store_tag(const Repository& repository, const std::string& tag, const Digest& digest) {
  const auto now = duration_cast<milliseconds>(clock_.wall_now().time_since_epoch()).count();
  return cache_.store().write(
      {{std::string(kTagTable), tag_key(repository, tag), str_cat(digest.to_string(), " ", now)}});
}

void Manifests::forget_tag(const Repository& repository, const std::string& tag) {
  const absl::Status status = cache_.store().write({{std::string(kTagTable), tag_key(repository, tag), std::nullopt}});
  if (!status.ok()) log::warning("a tag can't be forgotten", {{"tag", tag_key(repository, tag)}, {"error", status}});
}

absl::StatusOr<std::vector<std::string>> Manifests::keys_after(std::string_view table, const std::string& prefix) const {
  constexpr std::size_t kMost = 100'000;
  std::vector<std::string> rest;
  SAMARA_RETURN_IF_ERROR(cache_.store().scan(table, prefix, [&](std::string_view key, std::string_view) {
    rest.emplace_back(key.substr(prefix.size()));
    return rest.size() < kMost;
  }));
  return rest;
}

absl::StatusOr<std::vector<std::string>> Manifests::tags(const Repository& repository) const {
  return keys_after(kTagTable, tag_key(repository, ""));
}

absl::StatusOr<std::vector<std::string>> Manifests::repositories(std::string_view registry) const {
  return keys_after(kRepositoryTable, str_cat(registry, "/"));
}

std::chrono::seconds Manifests::age_of(const Tag& tag) const {
  return std::max(std::chrono::seconds(0), duration_cast<std::chrono::seconds>(clock_.wall_now() - tag.checked));
}

// A clock that went back makes a tag old.
bool Manifests::younger(const Tag& tag, milliseconds limit) const {
  const auto age = clock_.wall_now() - tag.checked;
  return age >= milliseconds(0) && age < limit;
}

}  // namespace samara::registry_proxy
