#include "registry_proxy/site_api.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "base/status.h"
#include "base/text.h"
#include "peer/site_protocol.h"
#include "image_routes.h"
#include "link_route.h"
#include "pin_routes.h"
#include "range_answer.h"

namespace samara::registry_proxy {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kLayers = "/samara/v1/layers/";
constexpr std::string_view kLinks = "/samara/v1/links";
constexpr std::string_view kPins = "/samara/v1/pins";
constexpr std::string_view kObjects = "/samara/v1/objects/";
constexpr std::string_view kRefreshTag = "/samara/v1/tags/refresh";
constexpr std::uint64_t kLongestWait = 600'000;  // ms

Source answer_text(http::ResponseWriter& out, int status, std::string_view text) {
  (void)out.respond(status, str_cat(text, "\n"), "text/plain");  // a client that left needs no answer
  return Source::kNone;
}

std::uint64_t number(const http::Target& target, std::string_view key) {
  std::uint64_t value = 0;
  return absl::SimpleAtoi(to_absl(target.query_value(key)), &value) ? value : 0;
}

}  // namespace

SiteApi::SiteApi(cache_index::Cache& cache, Upstreams& upstreams, Entitlements& entitlements, Manifests& manifests,
                 Blobs& blobs, Conversions& conversions, ParentLayers* parent, LayerGrants* grants)
    : cache_(cache),
      upstreams_(upstreams),
      entitlements_(entitlements),
      manifests_(manifests),
      blobs_(blobs),
      conversions_(conversions),
      parent_(parent),
      grants_(grants) {}

std::vector<std::string> SiteApi::tables() {
  std::vector<std::string> all;
  for (const auto& tables : {Manifests::tables(), References::tables(), Entitlements::tables(), ParentLayers::tables(), LayerGrants::tables(), peer::Link::tables()})
    all.insert(all.end(), tables.begin(), tables.end());
  return all;
}

Source SiteApi::handle(const http::Request& request, http::ResponseWriter& out) {
  if (request.target.path == kRefreshTag) return answer_refresh(request, out);
  if (request.target.path == kPins) {
    answer_pins(cache_, request, out);
    return Source::kNone;
  }
  if (request.target.path == kImagesPath || request.target.path == kPrunePath) {
    answer_images(cache_, request, out);
    return Source::kNone;
  }
  if (request.method != "GET" && request.method != "HEAD") {
    out.header("Allow", "GET, HEAD");
    return answer_text(out, 405, "only GET and HEAD");
  }
  const std::string_view path = request.target.path;
  if (path == kLinks) {
    answer_links(parent_, request, out);
    return Source::kNone;
  }
  const std::string_view route = path.starts_with(kLayers) ? kLayers : path.starts_with(kObjects) ? kObjects : "";
  if (route.empty()) return answer_text(out, 404, "no such resource");
  const auto digest = Digest::parse(path.substr(route.size()));
  if (!digest.ok()) return answer_text(out, 400, to_std(digest.status().message()));
  if (route == kLayers) return answer_layer(*digest, request, out);
  return answer_object(*digest, request, out);
}

Source SiteApi::answer_layer(const Digest& layer, const http::Request& request, http::ResponseWriter& out) {
  peer::LayerStatus status;  // of whoever names no repository: unknown
  if (!request.target.query_value("ns").empty()) {
    const auto repository = upstreams_.repository(request.target.query_value("ns"), request.target.query_value("repo"));
    if (!repository.ok()) return answer_text(out, 400, to_std(repository.status().message()));
    status = status_for(*repository, layer, request);
  }
  (void)out.respond(200, peer::encode(status), "text/plain");
  return Source::kDisk;
}

peer::LayerStatus SiteApi::status_for(const Repository& repository, const Digest& layer, const http::Request& request) {
  using State = peer::LayerStatus::State;
  const auto failed = [](const absl::Status& why) {
    peer::LayerStatus status;
    status.state = State::kFailed;
    status.error = std::string(to_std(why.message()));
    return status;
  };
  const auto as = entitlements_.admit({repository, Upstream::Request::Kind::kBlob, layer.to_string(),
                                       Identity::of_client(request.headers.get("Authorization")), request.client,
                                       node_of(request), is_for_anybody(request)});
  if (!as.ok()) return failed(as.status());
  const std::uint64_t size = number(request.target, "size");
  const BlobRef blob{repository, layer, size > 0 ? std::optional(size) : std::nullopt, *as};
  if (conversions_.status(layer).state == State::kUnknown)
    if (const absl::Status asked = ask_for(blob); !asked.ok()) return failed(asked);
  const milliseconds wait(std::min(number(request.target, "wait"), kLongestWait));
  peer::LayerStatus status = conversions_.status(layer, wait);
  if (status.state != State::kConverted) return status;
  if (const absl::Status reachable = blobs_.check_reachable(blob); !reachable.ok()) return failed(reachable);
  if (grants_ != nullptr) grants_->note(node_of(request), status.record.blob);
  return status;
}

bool SiteApi::may_have(const http::Request& request, const Digest& blob) {
  const std::string node = node_of(request);
  if (grants_ == nullptr || grants_->may_have(node, blob)) return true;
  if (!cache_.has_object(blob) && (parent_ == nullptr || parent_->index_of(blob) == nullptr)) return false;
  const auto layers = cache_.layers();
  if (!layers.ok()) return false;
  for (const cache_index::LayerRecord& layer : *layers) {
    if (layer.blob != blob) continue;
    const auto repository = conversions_.origin_of(layer.layer);
    if (!repository) continue;
    const auto as = entitlements_.admit({*repository, Upstream::Request::Kind::kBlob, layer.layer.to_string(), std::nullopt,
                                         request.client, node, is_for_anybody(request)});
    if (!as.ok()) continue;
    grants_->note(node, blob);
    return true;
  }
  return false;
}

// Has upstream asked what a tag names now. POST: it costs the registry a request, and changes what is served.
Source SiteApi::answer_refresh(const http::Request& request, http::ResponseWriter& out) {
  if (request.method != "POST") {
    out.header("Allow", "POST");
    return answer_text(out, 405, "only POST");
  }
  const auto image = parse_image_name(request.target.query_value("image"));
  if (!image.ok()) return answer_text(out, 400, to_std(image.status().message()));
  if (image->reference.digest) return answer_text(out, 400, "a digest always names the same");
  const auto repository = upstreams_.repository(image->registry, image->repository);
  if (!repository.ok()) return answer_text(out, 400, to_std(repository.status().message()));
  const auto as = entitlements_.admit({*repository, Upstream::Request::Kind::kManifest, image->reference.tag,
                                       Identity::of_client(request.headers.get("Authorization")), request.client});
  const auto refreshed = as.ok() ? manifests_.refresh(*repository, image->reference.tag, *as) : as.status();
  if (absl::IsUnauthenticated(refreshed.status()) || absl::IsPermissionDenied(refreshed.status()))
    return answer_text(out, 403, to_std(refreshed.status().message()));
  if (!refreshed.ok()) return answer_text(out, absl::IsNotFound(refreshed.status()) ? 404 : 502, to_std(refreshed.status().message()));
  std::string text = str_cat("image ", repository->to_string(), ":", image->reference.tag, "\nnow ", refreshed->now.to_string());
  if (refreshed->was) str_append(&text, "\nwas ", refreshed->was->to_string());
  answer_text(out, 200, text);
  return Source::kUpstream;
}

// Asks for the layer's conversion, where the upstream's policy allows it.
absl::Status SiteApi::ask_for(const BlobRef& layer) {
  SAMARA_ASSIGN_OR_RETURN(const Upstream* const upstream, upstreams_.find(layer.repository.registry));
  if (upstream->config().convert == ConvertPolicy::kNever)
    return absl::FailedPreconditionError(str_cat("layers of ", layer.repository.registry, " are not converted here"));
  conversions_.convert_layer(layer);
  return absl::OkStatus();
}

// Indexes and blobs of converted layers. Everything else in the cache has a digest that may be known to anybody.
bool SiteApi::is_of_a_layer(const Digest& object) {
  {
    const std::lock_guard lock(mutex_);
    if (of_layers_.count(object) != 0) return true;
  }
  if (!cache_.has_object(object)) return false;
  const auto layers = cache_.layers();
  if (!layers.ok()) return false;
  const std::lock_guard lock(mutex_);
  for (const cache_index::LayerRecord& layer : *layers) {
    of_layers_.insert(layer.index);
    of_layers_.insert(layer.blob);
  }
  return of_layers_.count(object) != 0;
}

Source SiteApi::answer_object(const Digest& digest, const http::Request& request, http::ResponseWriter& out) {
  if (parent_ != nullptr && parent_->answer(digest, request, out)) return Source::kParent;
  if (!cache_.has_object(digest) && conversions_.convert_again(digest)) {
    out.header("Retry-After", "1");
    return answer_text(out, 503, "evicted; its layer is being converted again");
  }
  if (!is_of_a_layer(digest)) return answer_text(out, 404, "this site hasn't got the object");
  const auto object = cache_.open_object(digest);
  if (absl::IsNotFound(object.status())) return answer_text(out, 404, "this site hasn't got the object");
  if (!object.ok()) return answer_text(out, 500, to_std(object.status().message()));
  registry_proxy::answer_object(*object, digest, request.headers.get("Range"), out);
  return Source::kDisk;
}

}  // namespace samara::registry_proxy
