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

std::optional<Identity> client_of(const http::Request& request) {
  return Identity::of_client(request.headers.get("Authorization"));
}

void refuse_access(http::ResponseWriter& out, const absl::Status& status, std::string_view registry, Asked asked) {
  if (absl::IsUnauthenticated(status)) {
    out.header("WWW-Authenticate", str_cat("Basic realm=\"", registry, "\""));
    return answer_error(out, 401, "UNAUTHORIZED", to_std(status.message()));
  }
  if (absl::IsPermissionDenied(status)) return answer_error(out, 403, "DENIED", to_std(status.message()));
  answer_error(out, status, asked);
}

}  // namespace

Mirror::Mirror(Upstreams& upstreams, Entitlements& entitlements, Manifests& manifests, Blobs& blobs,
               Conversions& conversions, const Options& options)
    : upstreams_(upstreams),
      entitlements_(entitlements),
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
  const std::string_view here = ns.empty() ? upstreams_.registry_at(request.headers.get("Host")) : ns;
  const std::string_view registry = here.empty() ? options_.default_registry : here;
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
  if (route.kind == Kind::kBase) return answer_base(request, repository, out);
  if (route.kind == Kind::kCatalog)
    return listings_->answer_catalog(
        request, repository.registry,
        [&, client = client_of(request)](const Repository& one) { return entitlements_.may_list(one, client, request.client); }, out);

  const auto as = admit(request, route, repository);
  if (!as.ok()) {
    const Asked asked = route.kind == Kind::kManifest ? Asked::kManifest : route.kind == Kind::kBlob ? Asked::kBlob : Asked::kRepository;
    refuse_access(out, as.status(), repository.registry, asked);
    return Source::kUpstream;
  }
  switch (route.kind) {
    case Kind::kManifest: return answer_manifest(request, repository, *reference, *as, out);
    case Kind::kTags: return listings_->answer_tags(request, repository, *as, out);
    case Kind::kReferrers: return listings_->answer_referrers(request, repository, *reference->digest, *as, out);
    default: break;
  }
  const BlobRef blob{repository, *reference->digest, std::nullopt, *as};
  return BlobAnswer(blobs_, blob, request.headers, options_.far_ahead, options_.patience, out).run();
}

// Clients that begin here decide by this answer whether they are going to send a credential at all.
Source Mirror::answer_base(const http::Request& request, const Repository& repository, http::ResponseWriter& out) {
  if (options_.ask_to_log_in && request.headers.get("Authorization").empty()) {
    refuse_access(out, absl::UnauthenticatedError("log in first"), repository.registry, Asked::kRepository);
  } else {
    (void)out.respond(200, "{}", "application/json");  // a client that left needs no answer
  }
  return Source::kNone;
}

absl::StatusOr<Identity> Mirror::admit(const http::Request& request, const Route& route, const Repository& repository) {
  using Ask = Upstream::Request::Kind;
  const bool lists = route.kind == Route::Kind::kTags || route.kind == Route::Kind::kReferrers;
  Entitlements::Question question{repository, Ask::kTags, "", client_of(request), request.client, "", is_for_anybody(request)};
  if (!lists) {
    question.kind = route.kind == Route::Kind::kManifest ? Ask::kManifest : Ask::kBlob;
    question.reference = route.reference;
  }
  auto as = entitlements_.admit(question);
  // Nothing is known of the repository, and so nothing is kept of it: the registry may say what refers to its manifests.
  if (route.kind == Route::Kind::kReferrers && absl::IsNotFound(as.status()))
    return question.client.value_or(Identity::anonymous());
  return as;
}

Source Mirror::answer_manifest(const http::Request& request, const Repository& repository, const Reference& reference,
                               const Identity& as, http::ResponseWriter& out) {
  const auto manifest = manifests_.get(repository, reference, as);
  if (!manifest.ok()) {
    answer_error(out, manifest.status(), Asked::kManifest);
    return Source::kUpstream;
  }
  if (!reference.digest && !accepts(request.headers, manifest->media_type)) {
    answer_error(out, 404, "MANIFEST_UNKNOWN", str_cat("the tag names a ", manifest->media_type, ", which isn't in Accept"));
    return manifest->source;
  }
  if (as.kind() == Identity::Kind::kClient) entitlements_.note_node(node_of(request), repository);
  if (!manifest->from_cache()) check_blobs(repository, manifest->parsed, as);
  if (!out.is_head()) maybe_convert(repository, manifest->parsed, as);
  out.header("Docker-Content-Digest", manifest->digest.to_string());
  out.header("ETag", etag_of(manifest->digest));
  if (manifest->age) out.header("Age", str_cat(manifest->age->count()));
  if (manifest->stale) out.header("Samara-Stale", "the registry can't be asked now");
  if (has_already(request.headers, manifest->digest)) {
    (void)out.respond(304);  // a client that left needs no answer
  } else {
    (void)out.respond(200, manifest->bytes, manifest->media_type);
  }
  return manifest->source;
}

// Another registry may have brought some of an image's blobs. Whether this one has them too is asked now, while there is
// somebody in whose name to ask: nodes come without a credential, and the registry may be away by then.
void Mirror::check_blobs(const Repository& repository, const Manifest& manifest, const Identity& as) {
  if (manifest.kind != Manifest::Kind::kImage) return;
  const auto check = [&](const Descriptor& blob) {
    if (!blobs_.find(blob.digest)) return true;
    const absl::Status status = blobs_.check_reachable({repository, blob.digest, blob.size, as});
    return status.ok() || absl::IsNotFound(status);
  };
  if (!check(manifest.config)) return;
  for (const Descriptor& layer : manifest.layers)
    if (!check(layer)) return;  // the registry can't be asked: each blob is when it is wanted
}

// An index names many images; which of them a client wants shows when it asks for that one by digest.
void Mirror::maybe_convert(const Repository& repository, const Manifest& manifest, const Identity& as) {
  const auto upstream = upstreams_.find(repository.registry);
  if (upstream.ok() && (*upstream)->config().convert == ConvertPolicy::kOnPull)
    conversions_.convert_image(repository, manifest, as);
}

}  // namespace samara::registry_proxy
