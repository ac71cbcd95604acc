#include "registry_proxy/upstream.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "authorizer.h"
#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "endpoints.h"
#include "registry_proxy/manifest.h"
#include "retry_after.h"
#include "upstream_metrics.h"

namespace samara::registry_proxy {
namespace {

constexpr std::uint64_t kMostIgnoredBody = 64 * 1024;

std::vector<std::string> default_urls(const std::string& registry) {
  if (registry == "docker.io") return {"https://registry-1.docker.io"};
  return {str_cat("https://", registry)};
}

std::string without_slash(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

UpstreamConfig complete(UpstreamConfig config) {
  if (config.urls.empty()) config.urls = default_urls(config.registry);
  for (std::string& url : config.urls) url = without_slash(std::move(url));
  return config;
}

absl::Status status_of(int code) {
  switch (code) {
    case 401: return absl::UnauthenticatedError("refuses access (401)");
    case 403: return absl::PermissionDeniedError("refuses access (403)");
    case 404: return absl::NotFoundError("has no such thing (404)");
    case 405: return absl::UnimplementedError("doesn't know the method (405)");
    case 416: return absl::OutOfRangeError("has no such range (416)");
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
  bool refused() const { return head_.status != 0 && !accepted_; }
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
    return ignored_ <= kMostIgnoredBody ? absl::OkStatus() : absl::AbortedError("an error with a long body");
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
  result.connect_timeout = std::min(config.connect_timeout, request.patience.value_or(config.connect_timeout));
  result.idle_timeout = std::min(config.idle_timeout, request.patience.value_or(config.idle_timeout));
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

bool Reader::includes(std::string_view client_name, std::string_view repository) const {
  if (client != "*" && (client != client_name || client_name.empty())) return false;
  if (!repositories.ends_with('*')) return repositories == repository;
  return repository.starts_with(std::string_view(repositories).substr(0, repositories.size() - 1));
}

bool UpstreamConfig::has_reader(std::string_view client, std::string_view repository) const {
  return std::any_of(readers.begin(), readers.end(), [&](const Reader& reader) { return reader.includes(client, repository); });
}

std::vector<Upstream::Endpoint> Upstream::endpoints_of(const UpstreamConfig& config, const SiteWay* way) {
  std::vector<Endpoint> endpoints;
  if (way != nullptr)
    for (const std::string& url : way->urls) endpoints.push_back({without_slash(url), true});
  if (way == nullptr || !way->only)
    for (const std::string& url : config.urls) endpoints.push_back({url, false});
  return endpoints;
}

Upstream::Upstream(UpstreamConfig config, http::Client& client, const Clock& clock, Metrics& metrics, std::stop_token stop,
                   const SiteWay* way)
    : config_(complete(std::move(config))),
      way_(way),
      urls_(endpoints_of(config_, way)),
      client_(client),
      clock_(clock),
      stop_(std::move(stop)),
      metrics_(std::make_unique<UpstreamMetrics>(metrics)),
      authorizer_(std::make_unique<Authorizer>(config_, client, clock, *metrics_, stop_)),
      endpoints_(std::make_unique<Endpoints>(urls_.size(), config_.failed_behind, clock)) {}
Upstream::~Upstream() = default;

absl::Status Upstream::fetch(const Request& request, const http::Client::OnHead& on_head,
                             const http::Client::OnBody& on_body) {
  std::optional<std::size_t> counts;  // the endpoint whose failure is given
  bool counted_for_nothing = false;   // ... for want of a better one
  absl::Status failed;
  for (const std::size_t endpoint : endpoints_->order()) {
    const Outcome outcome = ask(endpoint, request, on_head, on_body);
    note(endpoint, request, outcome);
    if (outcome.status.ok()) return outcome.status;
    const bool last = absl::IsCancelled(outcome.status) ||
                      (outcome.begun && !(outcome.endpoint_fault && request.can_start_anew));
    // A site on the way that is away says nothing of what the registry has.
    const bool says_nothing = urls_[endpoint].is_site && (outcome.endpoint_fault || absl::IsUnavailable(outcome.status));
    if (last || !counts || (counted_for_nothing && !says_nothing) || (endpoint < *counts && !says_nothing)) {
      counts = endpoint;
      failed = outcome.status;
      counted_for_nothing = says_nothing;
    }
    if (last) break;
  }
  const std::string_view joint = request.reference.empty()                             ? ""
                                 : request.reference.find(':') == std::string::npos ? ":"
                                                                                      : "@";
  return annotate(failed, str_cat(config_.registry, "/", request.repository, joint, request.reference));
}

absl::Status Upstream::ask_whether(Request request) {
  request.head = request.kind != Request::Kind::kTags && request.kind != Request::Kind::kReferrers;
  const auto enough = [&](const http::ResponseHead&) { return request.head ? absl::OkStatus() : absl::AbortedError("enough"); };
  const auto ignore = [](std::span<const std::uint8_t>) { return absl::OkStatus(); };
  absl::Status status = fetch(request, enough, ignore);
  if (request.head && absl::IsUnimplemented(status)) {
    request.head = false;
    status = fetch(request, enough, ignore);
  }
  return absl::IsAborted(status) ? absl::OkStatus() : status;
}

/// As make_request(); a site wants to know which registry is meant, and for whom.
http::ClientRequest Upstream::request_to(const Endpoint& endpoint, const Request& request) const {
  http::ClientRequest outgoing = make_request(config_, endpoint.url, request);
  if (!request.stop.stop_possible()) outgoing.stop = stop_;
  if (!endpoint.is_site) return outgoing;
  str_append(&outgoing.url, request.query.empty() ? "?" : "&", "ns=", http::percent_encode(config_.registry));
  if (request.as.kind() != Identity::Kind::kSite) outgoing.headers.add(kAsHeader, "anybody");
  outgoing.ca_file.clear();
  outgoing.client_certificate.clear();
  outgoing.client_key.clear();
  outgoing.follow_redirects = false;
  way_->access.apply(outgoing);
  return outgoing;
}

Upstream::Outcome Upstream::ask(std::size_t endpoint, const Request& request, const http::Client::OnHead& on_head,
                                const http::Client::OnBody& on_body) {
  Outcome outcome;
  peer::Link* const link = urls_[endpoint].is_site ? way_->link : nullptr;
  if (link != nullptr) {
    outcome.status = link->begin(peer::Traffic::kRegistry, 0);
    if (!outcome.status.ok()) {  // as if the site were away: others are asked, or what is known is given
      outcome.status = absl::UnavailableError(outcome.status.message());
      return outcome;
    }
  }
  std::optional<peer::Link::Transfer> transfer;
  if (link != nullptr) transfer.emplace(*link, peer::Traffic::kRegistry, 0);
  if (const auto wait = endpoints_->resting(endpoint, request.as.key())) {
    outcome.status = with_retry_after(
        absl::ResourceExhaustedError(str_cat("the registry limits our requests; asked again in ", wait->count(), " s")), *wait);
    return outcome;
  }
  Metrics::Counter& bytes = metrics_->bytes(request.kind);
  bool ours = false;
  const auto pass = [&](const absl::Status& status) {
    ours = !status.ok();
    return status;
  };
  outcome.status = fetch_from(
      urls_[endpoint], request,
      [&](const http::ResponseHead& head) {
        outcome.begun = true;
        return pass(on_head(head));
      },
      [&](std::span<const std::uint8_t> data) {
        bytes.add(static_cast<double>(data.size()));
        if (transfer) transfer->came(data.size());
        return pass(on_body(data));
      });
  metrics_->note_request(request.kind, outcome.status);
  if (link != nullptr && !ours && !absl::IsCancelled(outcome.status)) link->note(outcome.status);
  outcome.endpoint_fault = !ours && (absl::IsUnavailable(outcome.status) || absl::IsDeadlineExceeded(outcome.status) ||
                                     absl::IsResourceExhausted(outcome.status));
  if (outcome.status.ok() && request.check) {
    outcome.status = request.check();
    outcome.endpoint_fault = absl::IsDataLoss(outcome.status);
  }
  return outcome;
}

void Upstream::note(std::size_t endpoint, const Request& request, const Outcome& outcome) {
  if (outcome.status.ok()) return endpoints_->worked(endpoint);
  if (!outcome.endpoint_fault) return;
  const auto wait = retry_after(outcome.status);
  if (absl::IsResourceExhausted(outcome.status)) {
    if (!wait) return;
    endpoints_->rest(endpoint, request.as.key(), *wait);
    log::warning("an upstream limits our requests", {{"endpoint", urls_[endpoint].url}, {"seconds", wait->count()}});
  } else if (endpoints_->failed(endpoint, wait)) {
    log::warning("an endpoint of an upstream fails", {{"endpoint", urls_[endpoint].url}, {"error", outcome.status}});
  }
}

absl::Status Upstream::fetch_from(const Endpoint& endpoint, const Request& request, const http::Client::OnHead& on_head,
                                  const http::Client::OnBody& on_body) {
  http::ClientRequest outgoing = request_to(endpoint, request);
  const std::string_view who = endpoint.is_site ? "the parent site" : "the registry";
  const Authorizer::Question question{endpoint.url, request.repository, request.as, request.patience};
  auto authorization = authorizer_->prepare(question);
  for (bool answered_challenge = false;; answered_challenge = true) {
    if (!authorization.ok()) return annotate(authorization.status(), who);
    if (!authorization->empty()) outgoing.headers.set("Authorization", *authorization);
    Attempt attempt(on_head, on_body, request.range.has_value());
    const absl::Status status = attempt.run(client_, outgoing);
    if (absl::IsCancelled(status) || !attempt.refused()) return status;
    const http::ResponseHead& head = attempt.head();
    if (endpoint.is_site && head.headers.find(kRefusedHeader))
      return absl::UnavailableError("the parent site doesn't let this site in");
    if (head.status != 401 || answered_challenge) return annotate(failure(head.status, head.headers), who);
    authorization = authorizer_->answer(head.headers, question, *authorization);
  }
}

absl::Status Upstream::failure(int code, const http::Headers& headers) const {
  if (code == 429) return limited("limits our requests (429)", headers, clock_, config_.longest_backoff);
  const auto wait = code == 503 ? parse_retry_after(headers.get("Retry-After"), clock_.wall_now()) : std::nullopt;
  if (!wait) return status_of(code);
  return with_retry_after(status_of(code), std::min(*wait, std::chrono::ceil<std::chrono::seconds>(config_.longest_backoff)));
}

Upstreams::Upstreams(Options options, http::Client& client, const Clock& clock, Metrics& metrics)
    : options_(std::move(options)), client_(client), clock_(clock), metrics_(metrics) {
  for (const UpstreamConfig& config : options_.configured) {
    upstreams_[config.registry] = std::make_unique<Upstream>(config, client_, clock_, metrics_, stop_.get_token(), way());
    for (const std::string& alias : config.aliases) aliases_.emplace(alias, config.registry);
    for (const std::string& host : config.hosts) hosts_.emplace(absl::AsciiStrToLower(host), config.registry);
  }
}

absl::StatusOr<Repository> Upstreams::repository(std::string_view registry, std::string_view name) const {
  const auto it = aliases_.find(registry);
  return make_repository(it == aliases_.end() ? registry : it->second, name);
}

std::string_view Upstreams::registry_at(std::string_view host) const {
  if (hosts_.empty()) return {};
  const std::string name = absl::AsciiStrToLower(to_absl(host));
  if (const auto it = hosts_.find(name); it != hosts_.end()) return it->second;
  const std::size_t colon = name.rfind(':');  // of an IPv6 address without a port, only rubbish is looked for
  const auto it = hosts_.find(std::string_view(name).substr(0, colon));
  return it == hosts_.end() ? std::string_view() : it->second;
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
  made = std::make_unique<Upstream>(std::move(config), client_, clock_, metrics_, stop_.get_token(), way());
  return made.get();
}

}  // namespace samara::registry_proxy
