#include "registry_proxy/mirror.h"

#include "base/status.h"
#include "base/text.h"
#include "blob_answer.h"
#include "oci_error.h"
#include "route.h"

namespace samara::registry_proxy {
namespace {

bool is_read(const http::Request& request) { return request.method == "GET" || request.method == "HEAD"; }

Source refuse(http::ResponseWriter& out, int status, std::string_view code, std::string_view message) {
  answer_error(out, status, code, message);
  return Source::kNone;
}

}  // namespace

Mirror::Mirror(Upstreams& upstreams, Manifests& manifests, Blobs& blobs, Conversions& conversions,
               const Options& options)
    : upstreams_(upstreams), manifests_(manifests), blobs_(blobs), conversions_(conversions), options_(options) {}

Source Mirror::handle(const http::Request& request, http::ResponseWriter& out) {
  out.header("Docker-Distribution-Api-Version", "registry/2.0");
  const Route route = parse_route(request.target.path);
  if (!is_read(request) || route.kind == Route::Kind::kUpload) {
    out.header("Allow", route.kind == Route::Kind::kUpload ? "" : "GET, HEAD");
    return refuse(out, 405, "UNSUPPORTED", "this is a mirror: it can only be read");
  }
  if (route.kind == Route::Kind::kBase) {
    (void)out.respond(200, "{}", "application/json");  // a client that left needs no answer
    return Source::kNone;
  }
  if (route.kind == Route::Kind::kNone || route.kind == Route::Kind::kCatalog)
    return refuse(out, 404, "UNSUPPORTED", "no such resource");
  const std::string_view ns = request.target.query_value("ns");
  const auto repository = make_repository(ns.empty() ? options_.default_registry : ns, route.repository);
  if (!repository.ok()) return refuse(out, 400, "NAME_INVALID", to_std(repository.status().message()));
  return answer(request, route, *repository, out);
}

// What every answer that comes from a repository has in common ends here: its name is checked.
Source Mirror::answer(const http::Request& request, const Route& route, const Repository& repository,
                      http::ResponseWriter& out) {
  switch (route.kind) {
    case Route::Kind::kManifest: return answer_manifest(repository, route.reference, out);
    case Route::Kind::kBlob: return answer_blob(repository, route.reference, request, out);
    default: return refuse(out, 404, "UNSUPPORTED", "only manifests and blobs are mirrored");
  }
}

Source Mirror::answer_manifest(const Repository& repository, std::string_view text, http::ResponseWriter& out) {
  const auto reference = parse_reference(text);
  if (!reference.ok()) return refuse(out, 400, "MANIFEST_INVALID", to_std(reference.status().message()));
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

Source Mirror::answer_blob(const Repository& repository, std::string_view text, const http::Request& request,
                           http::ResponseWriter& out) {
  const auto digest = Digest::parse(text);
  if (!digest.ok()) return refuse(out, 400, "DIGEST_INVALID", to_std(digest.status().message()));
  const BlobRef blob{repository, *digest, std::nullopt};
  return BlobAnswer(blobs_, blob, request.headers.get("Range"), options_.far_ahead, out).run();
}

// An index names many images; which of them a client wants shows when it asks for that one by digest.
void Mirror::maybe_convert(const Repository& repository, const Manifest& manifest) {
  const auto upstream = upstreams_.find(repository.registry);
  if (upstream.ok() && (*upstream)->config().convert == ConvertPolicy::kOnPull)
    conversions_.convert_image(repository, manifest);
}

}  // namespace samara::registry_proxy
