#include "registry_proxy/site_api.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "base/status.h"
#include "base/text.h"
#include "peer/site_protocol.h"
#include "range_answer.h"

namespace samara::registry_proxy {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kLayers = "/samara/v1/layers/";
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

SiteApi::SiteApi(cache_index::Cache& cache, Upstreams& upstreams, Manifests& manifests, Conversions& conversions)
    : cache_(cache), upstreams_(upstreams), manifests_(manifests), conversions_(conversions) {}

Source SiteApi::handle(const http::Request& request, http::ResponseWriter& out) {
  if (request.target.path == kRefreshTag) return answer_refresh(request, out);
  if (request.method != "GET" && request.method != "HEAD") {
    out.header("Allow", "GET, HEAD");
    return answer_text(out, 405, "only GET and HEAD");
  }
  const std::string_view path = request.target.path;
  const std::string_view route = path.starts_with(kLayers) ? kLayers : path.starts_with(kObjects) ? kObjects : "";
  if (route.empty()) return answer_text(out, 404, "no such resource");
  const auto digest = Digest::parse(path.substr(route.size()));
  if (!digest.ok()) return answer_text(out, 400, to_std(digest.status().message()));
  if (route == kLayers) return answer_layer(*digest, request.target, out);
  return answer_object(*digest, request.headers.get("Range"), out);
}

Source SiteApi::answer_layer(const Digest& layer, const http::Target& target, http::ResponseWriter& out) {
  peer::LayerStatus status = conversions_.status(layer);
  if (status.state == peer::LayerStatus::State::kUnknown && !target.query_value("ns").empty()) {
    const absl::Status asked = ask_for(layer, target);
    if (absl::IsInvalidArgument(asked)) return answer_text(out, 400, to_std(asked.message()));
    status.error = std::string(to_std(asked.message()));
    if (!asked.ok()) status.state = peer::LayerStatus::State::kFailed;
  }
  if (status.state != peer::LayerStatus::State::kFailed)
    status = conversions_.status(layer, milliseconds(std::min(number(target, "wait"), kLongestWait)));
  (void)out.respond(200, peer::encode(status), "text/plain");
  return Source::kCache;
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
  const auto refreshed = manifests_.refresh(*repository, image->reference.tag);
  if (!refreshed.ok()) return answer_text(out, absl::IsNotFound(refreshed.status()) ? 404 : 502, to_std(refreshed.status().message()));
  std::string text = str_cat("image ", repository->to_string(), ":", image->reference.tag, "\nnow ", refreshed->now.to_string());
  if (refreshed->was) str_append(&text, "\nwas ", refreshed->was->to_string());
  answer_text(out, 200, text);
  return Source::kUpstream;
}

// Asks for the layer's conversion, where the upstream's policy allows it.
absl::Status SiteApi::ask_for(const Digest& layer, const http::Target& target) {
  SAMARA_ASSIGN_OR_RETURN(const Repository repository,
                          upstreams_.repository(target.query_value("ns"), target.query_value("repo")));
  SAMARA_ASSIGN_OR_RETURN(const Upstream* const upstream, upstreams_.find(repository.registry));
  if (upstream->config().convert == ConvertPolicy::kNever)
    return absl::FailedPreconditionError(str_cat("layers of ", repository.registry, " are not converted here"));
  const std::uint64_t size = number(target, "size");
  conversions_.convert_layer({repository, layer, size > 0 ? std::optional(size) : std::nullopt});
  return absl::OkStatus();
}

Source SiteApi::answer_object(const Digest& digest, std::string_view range, http::ResponseWriter& out) {
  const auto object = cache_.open_object(digest);
  if (absl::IsNotFound(object.status())) return answer_text(out, 404, "this site hasn't got the object");
  if (!object.ok()) return answer_text(out, 500, to_std(object.status().message()));
  registry_proxy::answer_object(*object, digest, range, out);
  return Source::kCache;
}

}  // namespace samara::registry_proxy
