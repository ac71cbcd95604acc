#include "image_source.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <set>

#include "base/file.h"
#include "base/http/message.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_index/hasher.h"
#include "peer/start_trace.h"
#include "registry_proxy/platform.h"

namespace samara::cli {
namespace {

using cache_index::LayerRecord;
using registry_proxy::ArchivedImage;
using registry_proxy::Descriptor;
using registry_proxy::Manifest;
using registry_proxy::Reference;
using registry_proxy::Repository;
using State = peer::LayerStatus::State;

constexpr std::uint64_t kMaxConfigBytes = 8u << 20, kMaxReferrersBytes = 1u << 20;
constexpr std::size_t kMostReferrers = 64;
constexpr std::chrono::seconds kWait{10};  // for one answer about a conversion

Digest digest_of(Digest::Algorithm algorithm, std::string_view bytes) {
  cache_index::Hasher hasher(algorithm);
  hasher.update(as_bytes(bytes));
  return hasher.finish();
}

std::string query(const Repository& repository) { return str_cat("?ns=", http::percent_encode(repository.registry)); }

absl::Status refused(const http::Response& response, const std::string& what) {
  const std::string said = response.body.substr(0, 300);
  const int status = response.head.status;
  if (status == 404) return absl::NotFoundError(str_cat(what, " isn't there"));
  if (status == 401 || status == 403) return absl::PermissionDeniedError(str_cat(what, ": the site doesn't give it to us: ", said));
  return absl::UnavailableError(str_cat(what, ": the site answers HTTP ", status, ": ", said));
}

}  // namespace

ImageSource::ImageSource(std::string url, peer::SiteAccess access, Options options, Notice notice)
    : url_(std::move(url)), access_(access), options_(std::move(options)), notice_(std::move(notice)), site_(client_, {url_}, std::move(access)) {}

absl::StatusOr<std::unique_ptr<ImageSource>> ImageSource::create(const std::string& url, const peer::SiteAccess::Options& access,
                                                                 Options options, Notice notice) {
  SAMARA_ASSIGN_OR_RETURN(peer::SiteAccess shown, peer::SiteAccess::create(access));
  return std::unique_ptr<ImageSource>(new ImageSource(url, std::move(shown), std::move(options), std::move(notice)));
}

absl::StatusOr<http::Response> ImageSource::ask(const std::string& path, std::uint64_t limit) {
  http::ClientRequest request;
  request.url = str_cat(url_, path);
  request.idle_timeout = std::chrono::seconds(60);
  request.headers.set("Accept", registry_proxy::accepted_manifest_types());
  access_.apply(request);
  return client_.get(request, limit);
}

Digest ImageSource::add_bytes(std::string bytes) {
  const Digest digest = digest_of(Digest::Algorithm::kSha256, bytes);
  sizes_[digest] = bytes.size();
  small_[digest] = std::move(bytes);
  return digest;
}

void ImageSource::add_object(ArchivedImage& image, const Digest& digest, std::uint64_t size) {
  image.objects.push_back(digest);
  sizes_[digest] = size;
}

absl::StatusOr<ImageSource::Fetched> ImageSource::manifest(const Repository& repository, const Reference& reference) {
  const std::string what = str_cat(repository.to_string(), reference.digest ? "@" : ":", reference.to_string());
  SAMARA_ASSIGN_OR_RETURN(http::Response response, ask(str_cat("/v2/", repository.name, "/manifests/", reference.to_string(), query(repository)),
                                                       registry_proxy::kMaxManifestBytes));
  if (response.head.status != 200) return refused(response, what);
  const auto told = Digest::parse(response.head.headers.get("Docker-Content-Digest"));
  Fetched fetched;
  const Digest::Algorithm algorithm = reference.digest ? reference.digest->algorithm() : told.ok() ? told->algorithm() : Digest::Algorithm::kSha256;
  fetched.digest = digest_of(algorithm, response.body);
  if ((reference.digest && *reference.digest != fetched.digest) || (told.ok() && *told != fetched.digest))
    return absl::DataLossError(str_cat(what, " came with other bytes than its digest's"));
  fetched.media_type = std::string(response.head.headers.get("Content-Type"));
  fetched.bytes = std::move(response.body);
  return fetched;
}

absl::Status ImageSource::add(const std::string& text) {
  SAMARA_ASSIGN_OR_RETURN(const registry_proxy::ImageName name, registry_proxy::parse_image_name(text));
  SAMARA_ASSIGN_OR_RETURN(const Repository repository, registry_proxy::make_repository(name.registry, name.repository));
  ArchivedImage image;
  image.name = str_cat(repository.to_string(), name.reference.digest ? "@" : ":", name.reference.to_string());
  SAMARA_ASSIGN_OR_RETURN(const Fetched root, manifest(repository, name.reference));
  SAMARA_ASSIGN_OR_RETURN(const Manifest parsed, registry_proxy::parse_manifest(root.bytes, root.media_type));
  std::vector<Digest> subjects = {root.digest};
  if (parsed.kind == Manifest::Kind::kIndex) {
    image.manifests.push_back({root.digest, parsed.media_type, ""});
    add_object(image, root.digest, root.bytes.size());
    small_[root.digest] = root.bytes;
    SAMARA_ASSIGN_OR_RETURN(const std::vector<Descriptor> platforms, chosen(root.bytes));
    for (const Descriptor& one : platforms) {
      SAMARA_ASSIGN_OR_RETURN(const Fetched fetched, manifest(repository, Reference{"", one.digest}));
      SAMARA_RETURN_IF_ERROR(add_platform(repository, fetched, image));
      subjects.push_back(one.digest);
    }
  } else {
    SAMARA_RETURN_IF_ERROR(add_platform(repository, root, image));
    SAMARA_RETURN_IF_ERROR(check_platform(small_.at(parsed.config.digest)));
  }
  for (const Digest& subject : subjects) SAMARA_RETURN_IF_ERROR(add_signatures(repository, subject, image));
  std::sort(image.objects.begin(), image.objects.end());
  image.objects.erase(std::unique(image.objects.begin(), image.objects.end()), image.objects.end());
  images_.push_back(std::move(image));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Descriptor>> ImageSource::chosen(const std::string& index) const {
  std::vector<Descriptor> found;
  const auto add = [&](const Descriptor& one) {
    if (std::none_of(found.begin(), found.end(), [&](const Descriptor& other) { return other.digest == one.digest; })) found.push_back(one);
  };
  if (options_.all_platforms) {
    const nlohmann::json parsed = nlohmann::json::parse(index, nullptr, false);
    if (parsed.is_discarded() || !parsed.contains("manifests") || !parsed["manifests"].is_array()) return absl::InvalidArgumentError("not an index");
    for (const nlohmann::json& one : parsed["manifests"]) {
      const auto* const text = one.is_object() && one.contains("digest") ? one["digest"].get_ptr<const std::string*>() : nullptr;
      const auto* const os = one.is_object() && one.contains("platform") && one["platform"].is_object() && one["platform"].contains("os")
                                 ? one["platform"]["os"].get_ptr<const std::string*>() : nullptr;
      const auto digest = Digest::parse(text == nullptr ? "" : *text);
      if (digest.ok() && os != nullptr && *os != "unknown") add({"", *digest, 0});  // attestations say "unknown"
    }
    return found;
  }
  std::vector<registry_proxy::Platform> wanted;
  for (const std::string& platform : options_.platforms) {
    SAMARA_ASSIGN_OR_RETURN(wanted.emplace_back(), registry_proxy::parse_platform(platform));
  }
  if (wanted.empty()) wanted.push_back(registry_proxy::own_platform());
  for (const registry_proxy::Platform& platform : wanted) {
    SAMARA_ASSIGN_OR_RETURN(const Descriptor one, registry_proxy::choose_image(index, platform));
    add(one);
  }
  return found;
}

absl::Status ImageSource::check_platform(const std::string& config) const {
  if (options_.platforms.empty()) return absl::OkStatus();
  SAMARA_ASSIGN_OR_RETURN(const registry_proxy::Platform platform, registry_proxy::platform_of_config(config));
  for (const std::string& text : options_.platforms) {
    SAMARA_ASSIGN_OR_RETURN(const registry_proxy::Platform wanted, registry_proxy::parse_platform(text));
    if (!platform.fits(wanted)) return absl::NotFoundError(str_cat("there is no image for ", text, "; it is for ", platform.to_string()));
  }
  return absl::OkStatus();
}

absl::Status ImageSource::add_platform(const Repository& repository, const Fetched& fetched, ArchivedImage& image) {
  SAMARA_ASSIGN_OR_RETURN(const Manifest parsed, registry_proxy::parse_manifest(fetched.bytes, fetched.media_type));
  if (!registry_proxy::is_container_image(parsed)) return absl::InvalidArgumentError(str_cat(image.name, " isn't an image that can be run"));
  image.manifests.push_back({fetched.digest, parsed.media_type, ""});
  add_object(image, fetched.digest, fetched.bytes.size());
  small_[fetched.digest] = fetched.bytes;
  SAMARA_ASSIGN_OR_RETURN(const http::Response config, ask(str_cat("/v2/", repository.name, "/blobs/", parsed.config.digest.to_string(), query(repository)), kMaxConfigBytes));
  if (config.head.status != 200) return refused(config, str_cat("the config of ", image.name));
  if (digest_of(parsed.config.digest.algorithm(), config.body) != parsed.config.digest) return absl::DataLossError(str_cat("the config of ", image.name, " came with other bytes"));
  add_object(image, parsed.config.digest, config.body.size());
  small_[parsed.config.digest] = config.body;
  SAMARA_ASSIGN_OR_RETURN(const std::vector<Digest> diff_ids, registry_proxy::parse_diff_ids(config.body, parsed.layers.size()));
  for (const Descriptor& layer : parsed.layers) {  // all are converted at once
    (void)site_.layer_status({.layer = layer.digest, .registry = repository.registry, .repository = repository.name, .size = layer.size});
  }
  for (const Descriptor& layer : parsed.layers) {
    SAMARA_ASSIGN_OR_RETURN(const LayerRecord record, convert(repository, layer));
    if (std::none_of(image.layers.begin(), image.layers.end(), [&](const LayerRecord& one) { return one.layer == record.layer; })) image.layers.push_back(record);
    add_object(image, record.index, record.index_size);
    add_object(image, record.blob, record.blob_size);
    if (options_.originals) SAMARA_RETURN_IF_ERROR(add_blob(repository, layer, image));
  }
  const absl::StatusOr<peer::StartTrace> trace = site_.start_trace(peer::chain_id(diff_ids));
  if (trace.ok()) image.traces.push_back(add_bytes(peer::encode(*trace)));
  return absl::OkStatus();
}

absl::StatusOr<LayerRecord> ImageSource::convert(const Repository& repository, const Descriptor& layer) {
  bool told = false;
  while (true) {
    SAMARA_ASSIGN_OR_RETURN(peer::LayerStatus status,
                            site_.layer_status({.layer = layer.digest, .registry = repository.registry, .repository = repository.name,
                                                .size = layer.size, .wait = told ? kWait : std::chrono::milliseconds(0)}));
    if (status.state == State::kConverted) {
      status.record.layer = layer.digest;
      status.record.layer_size = 0;
      return status.record;
    }
    if (status.state == State::kFailed || status.state == State::kUnknown) {
      return absl::FailedPreconditionError(str_cat("layer ", layer.digest.to_string(), " isn't to be had converted: ",
                                                   status.error.empty() ? "the site doesn't know it" : status.error));
    }
    if (!told) notice_(str_cat("waiting for layer ", layer.digest.to_string(), " to be converted"));
    told = true;
  }
}

// What cosign and others put beside an image: under tags made of its digest, and as referrers.
absl::Status ImageSource::add_signatures(const Repository& repository, const Digest& subject, ArchivedImage& image) {
  for (const char* const suffix : {"sig", "att", "sbom"}) {
    const std::string tag = str_cat(subject.algorithm_name(), "-", subject.hex(), ".", suffix);
    const absl::StatusOr<Fetched> found = manifest(repository, Reference{tag, std::nullopt});
    if (absl::IsNotFound(found.status())) continue;
    if (!found.ok()) notice_(str_cat("whether ", image.name, " has a .", suffix, " can't be asked now, so none is exported: ", to_std(found.status().message())));
    if (found.ok()) SAMARA_RETURN_IF_ERROR(add_artifact(repository, *found, tag, image));
  }
  SAMARA_ASSIGN_OR_RETURN(const http::Response list, ask(str_cat("/v2/", repository.name, "/referrers/", subject.to_string(), query(repository)), kMaxReferrersBytes));
  if (list.head.status == 404) return absl::OkStatus();
  if (list.head.status != 200) {
    notice_(str_cat("what refers to ", image.name, " can't be asked now, so none of it is exported: HTTP ", list.head.status));
    return absl::OkStatus();
  }
  const nlohmann::json parsed = nlohmann::json::parse(list.body, nullptr, false);
  if (parsed.is_discarded() || !parsed.is_object() || !parsed.contains("manifests") || !parsed["manifests"].is_array() || parsed["manifests"].empty()) return absl::OkStatus();
  if (parsed["manifests"].size() > kMostReferrers) return absl::FailedPreconditionError(str_cat(image.name, " has ", parsed["manifests"].size(), " referrers"));
  for (const nlohmann::json& one : parsed["manifests"]) {
    const auto* const text = one.is_object() && one.contains("digest") ? one["digest"].get_ptr<const std::string*>() : nullptr;
    SAMARA_ASSIGN_OR_RETURN(const Digest digest, Digest::parse(text == nullptr ? "" : *text));
    SAMARA_ASSIGN_OR_RETURN(const Fetched fetched, manifest(repository, Reference{"", digest}));
    SAMARA_RETURN_IF_ERROR(add_artifact(repository, fetched, "", image));
  }
  image.referrers.push_back({subject, add_bytes(list.body)});
  return absl::OkStatus();
}

absl::Status ImageSource::add_artifact(const Repository& repository, const Fetched& fetched, const std::string& tag, ArchivedImage& image) {
  SAMARA_ASSIGN_OR_RETURN(const Manifest parsed, registry_proxy::parse_manifest(fetched.bytes, fetched.media_type));
  image.manifests.push_back({fetched.digest, parsed.media_type, tag});
  add_object(image, fetched.digest, fetched.bytes.size());
  small_[fetched.digest] = fetched.bytes;
  if (parsed.kind != Manifest::Kind::kImage) return absl::OkStatus();
  SAMARA_RETURN_IF_ERROR(add_blob(repository, parsed.config, image));
  for (const Descriptor& blob : parsed.layers) SAMARA_RETURN_IF_ERROR(add_blob(repository, blob, image));
  return absl::OkStatus();
}

absl::Status ImageSource::add_blob(const Repository& repository, const Descriptor& blob, ArchivedImage& image) {
  add_object(image, blob.digest, blob.size);
  registry_blobs_[blob.digest] = str_cat("/v2/", repository.name, "/blobs/", blob.digest.to_string(), query(repository));
  return absl::OkStatus();
}

absl::Status ImageSource::give(const Digest& digest, const registry_proxy::ArchiveWriter::OnBytes& on_bytes) {
  if (const auto small = small_.find(digest); small != small_.end()) return on_bytes(as_bytes(small->second));
  const std::uint64_t size = sizes_.at(digest);
  if (size == 0) return absl::OkStatus();
  const auto path = registry_blobs_.find(digest);
  if (path == registry_blobs_.end()) return annotate(site_.fetch(digest, {0, size}, {}, on_bytes), digest.to_string());
  http::ClientRequest request;
  request.url = url_ + path->second;
  request.idle_timeout = std::chrono::seconds(60);
  access_.apply(request);
  const auto on_head = [&](const http::ResponseHead& head) {
    return head.status == 200 ? absl::OkStatus() : absl::UnavailableError(str_cat(digest.to_string(), ": the site answers HTTP ", head.status));
  };
  return client_.stream(request, on_head, on_bytes);
}

}  // namespace samara::cli
