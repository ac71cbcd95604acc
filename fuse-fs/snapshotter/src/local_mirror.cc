#include "snapshotter/local_mirror.h"

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "warm_rows.h"

namespace samara::snapshotter {
namespace {

constexpr std::string_view kManifests = "/manifests/", kBlobs = "/blobs/";

void not_here(http::ResponseWriter& out) {
  (void)out.respond(404, "not warmed here\n", "text/plain");  // a client that left needs no answer
}

}  // namespace

absl::StatusOr<Digest> LocalMirror::find(const std::string& registry, const std::string& repository, bool config,
                                         std::string_view reference) {
  absl::StatusOr<Digest> known = Digest::parse(reference);
  if (!known.ok()) known = warm_tag(cache_.store(), registry, repository, reference);
  SAMARA_RETURN_IF_ERROR(known.status());
  SAMARA_RETURN_IF_ERROR(warm_media_type(cache_.store(), *known).status());
  const absl::StatusOr<Digest> said = ask_site_(registry, repository, str_cat((config ? kBlobs : kManifests).substr(1), reference));
  if (said.ok() && *said != *known) return absl::NotFoundError("it names something else now");
  if (said.ok()) return known;
  if (!absl::IsUnavailable(said.status())) return said;
  log::info("a warmed image is named without the site", {{"repository", repository}, {"reference", reference}});
  return known;
}

void LocalMirror::give(const Digest& digest, bool config, http::ResponseWriter& out) {
  const absl::StatusOr<std::string> type = warm_media_type(cache_.store(), digest);
  if (!type.ok() || (*type == kConfigType) != config) return not_here(out);
  const absl::StatusOr<cache_index::ObjectFile> object = cache_.open_object(digest);
  if (!object.ok()) return not_here(out);
  out.header("Docker-Content-Digest", digest.to_string());
  out.header("Content-Type", config ? "application/octet-stream" : *type);
  if (out.begin(200, object->size).ok()) (void)out.write_file(object->fd.get(), 0, object->size);
}

bool LocalMirror::handle(const http::Request& request, http::ResponseWriter& out) {
  const std::string_view path = request.target.path;
  if (path != "/v2" && !path.starts_with("/v2/")) return false;
  if (request.method != "GET" && request.method != "HEAD") {
    not_here(out);
    return true;
  }
  out.header("Docker-Distribution-Api-Version", "registry/2.0");
  if (path == "/v2" || path == "/v2/") {
    (void)out.respond(200, "{}", "application/json");
    return true;
  }
  const bool config = path.find(kManifests) == path.npos;
  const std::string_view route = config ? kBlobs : kManifests;
  const std::size_t at = path.rfind(route);
  if (at == path.npos || at < 4) {
    not_here(out);
    return true;
  }
  const std::string repository(path.substr(4, at - 4)), registry(request.target.query_value("ns"));
  const absl::StatusOr<Digest> digest = find(registry, repository, config, path.substr(at + route.size()));
  if (digest.ok()) {
    give(*digest, config, out);
  } else {
    not_here(out);
  }
  return true;
}

}  // namespace samara::snapshotter
