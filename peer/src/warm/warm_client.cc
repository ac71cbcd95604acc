#include "peer/warm_client.h"

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_index/hasher.h"

namespace samara::peer {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kBeatPatience{5'000}, kImagePatience{10'000}, kNamePatience{1'000};
constexpr std::string_view kManifestTypes =
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

std::string without_slash(std::string url) {
  while (!url.empty() && url.back() == '/') url.pop_back();
  return url;
}

// What the site says in words, on one line.
absl::Status refusal(const http::Response& response, std::string_view url) {
  std::string said = response.body.substr(0, response.body.find('\n')).substr(0, 256);
  const std::string text = str_cat(url, " answers HTTP ", response.head.status, said.empty() ? "" : ": ", said);
  switch (response.head.status) {
    case 400: return absl::InvalidArgumentError(text);
    case 401:
    case 403: return absl::PermissionDeniedError(text);
    case 404: return absl::NotFoundError(text);
    case 409: return absl::AlreadyExistsError(text);
    default: return absl::UnavailableError(text);
  }
}

}  // namespace

WarmClient::WarmClient(http::Client& client, std::string url, SiteAccess access)
    : client_(client), url_(without_slash(std::move(url))), access_(std::move(access)) {}

absl::StatusOr<http::Response> WarmClient::ask(const std::string& method, const std::string& path, std::uint64_t limit,
                                               milliseconds patience, const std::stop_token& stop) {
  http::ClientRequest request;
  request.method = method;
  request.url = url_ + path;
  request.connect_timeout = std::min(patience, milliseconds(3'000));
  request.idle_timeout = patience;
  request.stop = stop;
  request.headers.set("Accept", kManifestTypes);
  access_.apply(request);
  SAMARA_ASSIGN_OR_RETURN(http::Response response, client_.get(request, limit));
  if (response.head.status == 200) return response;
  return refusal(response, url_);
}

absl::StatusOr<HeartbeatAnswer> WarmClient::beat(const Heartbeat& heartbeat, const std::stop_token& stop) {
  const auto response = ask("POST", str_cat(kHeartbeatPath, to_query(heartbeat)), kMaxHeartbeatAnswerBytes, kBeatPatience, stop);
  if (absl::IsNotFound(response.status())) return absl::UnimplementedError(str_cat(url_, " keeps no list of nodes"));
  SAMARA_RETURN_IF_ERROR(response.status());
  return decode_heartbeat_answer(response->body);
}

absl::StatusOr<SiteBeatAnswer> WarmClient::beat(const SiteBeat& beat, const std::stop_token& stop) {
  const auto response = ask("POST", str_cat(kSiteBeatPath, to_query(beat)), kMaxSiteBeatAnswerBytes, kBeatPatience, stop);
  if (absl::IsNotFound(response.status())) return absl::UnimplementedError(str_cat(url_, " takes no sites below it"));
  SAMARA_RETURN_IF_ERROR(response.status());
  return decode_site_beat_answer(response->body);
}

absl::StatusOr<WarmImage> WarmClient::image(const std::string& node, const Digest& manifest, const std::stop_token& stop) {
  const std::string path = str_cat(kWarmPath, manifest.to_string(), "?node=", http::percent_encode(node));
  SAMARA_ASSIGN_OR_RETURN(const http::Response response, ask("GET", path, kMaxWarmImageBytes, kImagePatience, stop));
  SAMARA_ASSIGN_OR_RETURN(WarmImage image, decode_warm_image(response.body));
  if (image.digest != manifest || cache_index::sha256(as_bytes(image.manifest)) != manifest)
    return absl::DataLossError(str_cat(url_, " gives another manifest than it ordered"));
  return image;
}

absl::StatusOr<Digest> WarmClient::named(const std::string& registry, const std::string& repository, const std::string& route) {
  const std::string path = str_cat("/v2/", repository, "/", route, "?ns=", http::percent_encode(registry));
  const auto response = ask("HEAD", path, 0, kNamePatience, {});
  SAMARA_RETURN_IF_ERROR(response.status());
  return Digest::parse(response->head.headers.get("Docker-Content-Digest"));
}

}  // namespace samara::peer
