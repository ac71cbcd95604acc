#include "registry_proxy/mirror.h"

#include <algorithm>

#include "base/status.h"
#include "base/text.h"
#include "blob_answer.h"
#include "oci_error.h"

namespace samara::registry_proxy {
namespace {

// The parts of "/v2/<repository>/<kind>/<reference>"; empty when the path has another shape.
struct Route {
  std::string_view repository, kind, reference;
};

Route split(std::string_view path) {
  path.remove_prefix(std::min<std::size_t>(path.size(), 4));  // "/v2/"
  const std::size_t last = path.rfind('/');
  if (last == std::string_view::npos || last == 0) return {};
  const std::size_t before = path.rfind('/', last - 1);
  if (before == std::string_view::npos) return {};
  return {path.substr(0, before), path.substr(before + 1, last - before - 1), path.substr(last + 1)};
}

}  // namespace

Mirror::Mirror(Upstreams& upstreams, Manifests& manifests, Blobs& blobs, Conversions& conversions,
               const Options& options)
    : upstreams_(upstreams), manifests_(manifests), blobs_(blobs), conversions_(conversions), options_(options) {}

Source Mirror::handle(const http::Request& request, http::ResponseWriter& out) {
  out.header("Docker-Distribution-Api-Version", "registry/2.0");
  if (request.method != "GET" && request.method != "HEAD") {
    out.header("Allow", "GET, HEAD");
    answer_error(out, 405, "UNSUPPORTED", "this is a mirror: it can only be read");
    return Source::kNone;
  }
  const std::string& path = request.target.path;
  if (path == "/v2/" || path == "/v2") {
    (void)out.respond(200, "{}", "application/json");  // a client that left needs no answer
    return Source::kNone;
  }
  const Route route = split(path);
  if (route.kind != "manifests" && route.kind != "blobs") {
    answer_error(out, 404, "UNSUPPORTED", "only manifests and blobs are mirrored");
    return Source::kNone;
  }
  const std::string_view ns = request.target.query_value("ns");
  const auto repository = make_repository(ns.empty() ? options_.default_registry : ns, route.repository);
  if (!repository.ok()) {
    answer_error(out, 400, "NAME_INVALID", to_std(repository.status().message()));
    return Source::kNone;
  }
  if (route.kind == "manifests") return answer_manifest(*repository, route.reference, out);
  return answer_blob(*repository, route.reference, request.headers.get("Range"), out);
}

Source Mirror::answer_manifest(const Repository& repository, std::string_view text, http::ResponseWriter& out) {
  const auto reference = parse_reference(text);
  if (!reference.ok()) {
    answer_error(out, 400, "MANIFEST_INVALID", to_std(reference.status().message()));
    return Source::kNone;
  }
  const auto manifest = manifests_.get(repository, *reference);
  if (!manifest.ok()) {
    answer_error(out, manifest.status(), Asked::kManifest);
    return Source::kUpstream;
  }
  if (!out.is_head()) maybe_convert(repository, manifest->parsed);
  out.header("Docker-Content-Digest", manifest->digest.to_string());
  if (manifest->stale) out.header("Samara-Stale", "the registry can't be asked now");
  (void)out.respond(200, manifest->bytes, manifest->media_type);  // a client that left needs no answer
  return manifest->from_cache ? Source::kCache : Source::kUpstream;
}

Source Mirror::answer_blob(const Repository& repository, std::string_view text, std::string_view range,
                           http::ResponseWriter& out) {
  const auto digest = Digest::parse(text);
  if (!digest.ok()) {
    answer_error(out, 400, "DIGEST_INVALID", to_std(digest.status().message()));
    return Source::kNone;
  }
  const BlobRef blob{repository, *digest, std::nullopt};
  return BlobAnswer(blobs_, blob, range, options_.far_ahead, out).run();
}

// An index names many images; which of them a client wants shows when it asks for that one by digest.
void Mirror::maybe_convert(const Repository& repository, const Manifest& manifest) {
  const auto upstream = upstreams_.find(repository.registry);
  if (upstream.ok() && (*upstream)->config().convert == ConvertPolicy::kOnPull)
    conversions_.convert_image(repository, manifest);
}

}  // namespace samara::registry_proxy
