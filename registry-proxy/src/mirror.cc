#include "registry_proxy/mirror.h"

#include "base/status.h"
#include "base/text.h"
#include "blob_answer.h"
#include "conditions.h"
#include "listings.h"
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
    : upstreams_(upstreams),
      manifests_(manifests),
      blobs_(blobs),
      conversions_(conversions),
      options_(options),
      listings_(std::make_unique<Listings>(blobs.cache(), upstreams, manifests)) {}
Mirror::~Mirror() = default;

// Names first, then methods: a malformed name is told whatever was to be done with it.
Source Mirror::handle(const http::Request& request, http::ResponseWriter& out) {
  out.header("Docker-Distribution-Api-Version", "registry/2.0");
  const Route route = parse_route(request.target.path);
  if (route.kind == Route::Kind::kNone) return refuse(out, 404, "UNSUPPORTED", "no such resource");
  const std::string_view ns = request.target.query_value("ns");
  const std::string_view registry = ns.empty() ? options_.default_registry : ns;
  const bool in_repository = route.kind != Route::Kind::kBase && route.kind != Route::Kind::kCatalog;
  const auto repository = upstreams_.repository(registry, in_repository ? route.repository : "any");
  if (!repository.ok()) return refuse(out, 400, "NAME_INVALID", to_std(repository.status().message()));
  return answer(request, route, *repository, out);
}

Source Mirror::answer(const http::Request& request, const Route& route, const Repository& repository,
                      http::ResponseWriter& out) {
  using Kind = Route::Kind;
  const bool names_something = route.kind == Kind::kManifest || route.kind == Kind::kBlob || route.kind == Kind::kReferrers;
  const auto reference = names_something ? parse_reference(route.reference) : absl::StatusOr<Reference>(Reference());
  if (!reference.ok() || (names_something && route.kind != Kind::kManifest && !reference->digest))
    return refuse(out, 400, route.kind == Kind::kManifest ? "MANIFEST_INVALID" : "DIGEST_INVALID",
                  reference.ok() ? "not a digest" : to_std(reference.status().message()));
  if (!is_read(request) || route.kind == Kind::kUpload) {
    out.header("Allow", route.kind == Kind::kUpload ? "" : "GET, HEAD");
    return refuse(out, 405, "UNSUPPORTED", "this is a mirror: it can only be read");
  }
  switch (route.kind) {
    case Kind::kManifest: return answer_manifest(request, repository, *reference, out);
    case Kind::kBlob:
      return BlobAnswer(blobs_, {repository, *reference->digest, std::nullopt}, request.headers, options_.far_ahead,
                        options_.patience, out).run();
    case Kind::kTags: return listings_->answer_tags(request, repository, out);
    case Kind::kReferrers: return listings_->answer_referrers(request, repository, *reference->digest, out);
    case Kind::kCatalog: return listings_->answer_catalog(request, repository.registry, out);
    default: break;
  }
  (void)out.respond(200, "{}", "application/json");  // a client that left needs no answer
  return Source::kNone;
}

Source Mirror::answer_manifest(const http::Request& request, const Repository& repository, const Reference& reference,
                               http::ResponseWriter& out) {
  const auto manifest = manifests_.get(repository, reference);
  if (!manifest.ok()) {
    answer_error(out, manifest.status(), Asked::kManifest);
    return Source::kUpstream;
  }
  const Source source = manifest->from_cache ? Source::kCache : Source::kUpstream;
  if (!reference.digest && !accepts(request.headers, manifest->media_type)) {
    answer_error(out, 404, "MANIFEST_UNKNOWN", str_cat("the tag names a ", manifest->media_type, ", which isn't in Accept"));
    return source;
  }
  if (!out.is_head()) maybe_convert(repository, manifest->parsed);
  out.header("Docker-Content-Digest", manifest->digest.to_string());
  out.header("ETag", etag_of(manifest->digest));
  if (manifest->age) out.header("Age", str_cat(manifest->age->count()));
  if (manifest->stale) out.header("Samara-Stale", "the registry can't be asked now");
  if (has_already(request.headers, manifest->digest)) {
    (void)out.respond(304);  // a client that left needs no answer
  } else {
    (void)out.respond(200, manifest->bytes, manifest->media_type);
  }
  return source;
}

// An index names many images; which of them a client wants shows when it asks for that one by digest.
void Mirror::maybe_convert(const Repository& repository, const Manifest& manifest) {
  const auto upstream = upstreams_.find(repository.registry);
  if (upstream.ok() && (*upstream)->config().convert == ConvertPolicy::kOnPull)
    conversions_.convert_image(repository, manifest);
}

}  // namespace samara::registry_proxy
