#include "registry_proxy/upstream.h"

#include "authorizer.h"
#include "base/status.h"
#include "base/text.h"
#include "registry_proxy/manifest.h"

namespace samara::registry_proxy {
namespace {

constexpr std::uint64_t kMostIgnoredBody = 64 * 1024;

std::vector<std::string> default_urls(const std::string& registry) {
  if (registry == "docker.io") return {"https://registry-1.docker.io"};
  return {str_cat("https://", registry)};
}

UpstreamConfig complete(UpstreamConfig config) {
  if (config.urls.empty()) config.urls = default_urls(config.registry);
  for (std::string& url : config.urls)
    while (url.ends_with('/')) url.pop_back();
  return config;
}

absl::Status status_of(int code) {
  switch (code) {
    case 401: return absl::UnauthenticatedError("refuses access (401)");
    case 403: return absl::PermissionDeniedError("refuses access (403)");
    case 404: return absl::NotFoundError("has no such thing (404)");
    case 405: return absl::UnimplementedError("doesn't know the method (405)");
    case 416: return absl::OutOfRangeError("has no such range (416)");
    case 429: return absl::ResourceExhaustedError("limits our requests (429)");
    default: break;
  }
  const std::string text = str_cat("answers ", code);
  return code >= 500 ? absl::UnavailableError(text) : absl::InternalError(text);
}

// One try: passes what was asked for on, and notes any other answer.
class Attempt {
 public:
  Attempt(const http::Client::OnHead& on_head, const http::Client::OnBody& on_body, bool ranged)
      : on_head_(on_head), on_body_(on_body), ranged_(ranged) {}

  absl::Status run(http::Client& client, const http::ClientRequest& request) {
    return client.stream(
        request, [this](const http::ResponseHead& head) { return take_head(head); },
        [this](std::span<const std::uint8_t> data) { return take_body(data); });
  }
  bool accepted() const { return accepted_; }
  const http::ResponseHead& head() const { return head_; }

 private:
  absl::Status take_head(const http::ResponseHead& head) {
    head_ = head;
    accepted_ = head.status == 200 || (head.status == 206 && ranged_);
    return accepted_ ? on_head_(head) : absl::OkStatus();
  }
  absl::Status take_body(std::span<const std::uint8_t> data) {
    if (accepted_) return on_body_(data);
    ignored_ += data.size();  // read, so that the connection can be used again
    return ignored_ <= kMostIgnoredBody ? absl::OkStatus() : status_of(head_.status);
  }

  const http::Client::OnHead& on_head_;
  const http::Client::OnBody& on_body_;
  const bool ranged_;
  http::ResponseHead head_;
  bool accepted_ = false;
  std::uint64_t ignored_ = 0;
};

std::string path_of(const Upstream::Request& request) {
  using Kind = Upstream::Request::Kind;
  const std::string_view kind = request.kind == Kind::kManifest    ? "/manifests/"
                                : request.kind == Kind::kTags      ? "/tags/list"
                                : request.kind == Kind::kReferrers ? "/referrers/"
                                                                   : "/blobs/";
  return str_cat("/v2/", request.repository, kind, request.reference, request.query.empty() ? "" : "?", request.query);
}

http::ClientRequest make_request(const UpstreamConfig& config, const std::string& url,
                                 const Upstream::Request& request) {
  const bool manifest = request.kind == Upstream::Request::Kind::kManifest;
  http::ClientRequest result;
  result.method = request.head ? "HEAD" : "GET";
  result.url = str_cat(url, path_of(request));
  result.connect_timeout = config.connect_timeout;
  result.idle_timeout = config.idle_timeout;
  result.follow_redirects = true;
  result.ca_file = config.ca_file;
  result.client_certificate = config.client_certificate;
  result.client_key = config.client_key;
  result.stop = request.stop;
  if (manifest) result.headers.add("Accept", accepted_manifest_types());
  if (request.range && request.range->end == Upstream::kOpenEnd) {
    result.headers.add("Range", str_cat("bytes=", request.range->begin, "-"));
  } else {
    result.range = request.range;
  }
  return result;
}

}  // namespace

Upstream::Upstream(UpstreamConfig config, http::Client& client, const Clock& clock, std::stop_token stop)
    : config_(complete(std::move(config))),
      client_(client),
      stop_(std::move(stop)),
      authorizer_(std::make_unique<Authorizer>(config_, client, clock)) {}
Upstream::~Upstream() = default;

absl::Status Upstream::fetch(const Request& request, const http::Client::OnHead& on_head,
                             const http::Client::OnBody& on_body) {
  absl::Status status = absl::InternalError("no URL is configured");
  bool begun = false;
  const auto note_head = [&](const http::ResponseHead& head) {
    begun = true;
    return on_head(head);
  };
  for (const std::string& url : config_.urls) {
    status = fetch_from(url, request, note_head, on_body);
    if (status.ok() || begun || absl::IsCancelled(status)) break;
  }
  if (status.ok()) return status;
  const std::string_view joint = request.reference.empty()                             ? ""
                                 : request.reference.find(':') == std::string::npos ? ":"
                                                                                      : "@";
  return annotate(status, str_cat(config_.registry, "/", request.repository, joint, request.reference));
}

absl::Status Upstream::fetch_from(const std::string& url, const Request& request, const http::Client::OnHead& on_head,
                                  const http::Client::OnBody& on_body) {
  http::ClientRequest outgoing = make_request(config_, url, request);
  if (!request.stop.stop_possible()) outgoing.stop = stop_;
  std::string authorization = authorizer_->remembered(url, request.repository);
  for (bool answered_challenge = false;; answered_challenge = true) {
    if (!authorization.empty()) outgoing.headers.set("Authorization", authorization);
    Attempt attempt(on_head, on_body, request.range.has_value());
    SAMARA_RETURN_IF_ERROR(attempt.run(client_, outgoing));
    if (attempt.accepted()) return absl::OkStatus();
    if (attempt.head().status != 401 || answered_challenge)
      return annotate(status_of(attempt.head().status), "the registry");
    auto answer = authorizer_->answer(attempt.head().headers, url, request.repository, outgoing.stop);
    if (!answer.ok()) return annotate(answer.status(), "the registry");
    authorization = std::move(*answer);
  }
}

Upstreams::Upstreams(Options options, http::Client& client, const Clock& clock)
    : options_(std::move(options)), client_(client), clock_(clock) {
  for (const UpstreamConfig& config : options_.configured)
    upstreams_[config.registry] = std::make_unique<Upstream>(config, client_, clock_, stop_.get_token());
}

absl::StatusOr<Upstream*> Upstreams::find(std::string_view registry) {
  constexpr std::size_t kMostOthers = 1024;
  const std::lock_guard lock(mutex_);
  if (const auto it = upstreams_.find(registry); it != upstreams_.end()) return it->second.get();
  if (!options_.allow_others) return absl::NotFoundError(str_cat("no upstream \"", registry, "\" is configured"));
  if (upstreams_.size() >= options_.configured.size() + kMostOthers)
    return absl::ResourceExhaustedError("too many registries were asked for; configure those that matter");
  UpstreamConfig config = options_.others;
  config.registry = registry;
  auto& made = upstreams_[config.registry];
  made = std::make_unique<Upstream>(std::move(config), client_, clock_, stop_.get_token());
  return made.get();
}

}  // namespace samara::registry_proxy
