#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/byte_range.h"
#include "base/clock.h"
#include "base/http/client.h"
#include "base/metrics.h"
#include "peer/link.h"
#include "peer/site_access.h"
#include "registry_proxy/identity.h"
#include "registry_proxy/names.h"

namespace samara::registry_proxy {

/// When the layers of an image are converted.
enum class ConvertPolicy {
  kOnPull,     ///< as soon as its manifest is asked for
  kOnRequest,  ///< when a node asks for a layer
  kNever,
};

/// Who may read what is kept of a registry's repositories; see Entitlements and docs/entitlement.md.
enum class Share {
  kEveryone,   ///< all that anybody or the site's own credential may read; the rest, whom the registry lets
  kEntitled,   ///< all that anybody may read; the rest, whom the registry lets
  kUnchecked,  ///< everything: the registry is never asked; for registries without private repositories
};

/// What holds for repositories that not everybody may read, while the registry can't be asked.
enum class WhenAway {
  kServeGranted,  ///< those may read who could lately: for `grant_stale` after a grant's time
  kRefuse,        ///< only grants whose time isn't over count
  kServe,         ///< everybody may read what nobody has been asked about yet
};

/// Whom the site's operator lets read some of a registry's repositories.
struct Reader {
  std::string client;        ///< by the name of its token or certificate at this site; "*": whoever may use the site
  std::string repositories;  ///< "team/app"; "team/*": all below team; "*": all

  bool includes(std::string_view client, std::string_view repository) const;
};

struct UpstreamConfig {
  std::string registry;           ///< the name that clients use, "docker.io"
  std::vector<std::string> aliases;  ///< other names that clients use for it
  std::vector<std::string> hosts;  ///< this site's own host names, with or without a port, by which clients mean it
  std::vector<std::string> urls;  ///< tried in order; empty: https and the registry's name. http:// allows plain HTTP
  std::string ca_file;            ///< PEM, in place of the system's
  std::string client_certificate;  ///< PEM, shown where the registry or its token server asks for one; empty: none
  std::string client_key;          ///< its private key
  std::string username;
  std::string password_file;  ///< read for each authentication, so that a new secret needs no restart
  std::string docker_config;  ///< a docker config.json with entries or helpers, in place of the two above; read likewise
  std::chrono::milliseconds helper_timeout{10'000};  ///< for a credential helper
  Share share = Share::kEveryone;
  WhenAway when_away = WhenAway::kServeGranted;
  std::chrono::milliseconds grant_ttl{3'600'000};       ///< how long the registry's word on who may read holds
  std::chrono::milliseconds grant_stale{2'592'000'000};  ///< how much longer while it can't be asked: 30 days
  ConvertPolicy convert = ConvertPolicy::kOnPull;
  std::vector<Reader> readers;  ///< who may read what whatever the registry says
  std::chrono::milliseconds tag_ttl{60'000};  ///< how long a tag is believed before the registry is asked again
  std::chrono::milliseconds stale_for{0};     ///< how much longer one is given while it can't be asked; 0: for ever
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds idle_timeout{15'000};  ///< longest silence, before an answer and within it
  /// The same while what is known already, a tag or a grant, is only to be confirmed.
  std::chrono::milliseconds patience{3'000};
  std::chrono::milliseconds failed_behind{30'000};     ///< how long an endpoint that failed is asked after the others
  std::chrono::milliseconds longest_backoff{300'000};  ///< however long a Retry-After is

  bool has_credentials() const { return !username.empty() || !docker_config.empty(); }
  bool has_reader(std::string_view client, std::string_view repository) const;
};

/// Another site by which registries are asked, as by a mirror: its URLs are endpoints of every registry, before those of
/// the registry's own. It is told what a request is made for: in the name of nobody or of a client it gives what they may
/// have at the registry (kAsHeader); in this site's name, what it lets this site have.
struct SiteWay {
  std::vector<std::string> urls;
  peer::SiteAccess access;
  peer::Link* link = nullptr;  ///< borrowed: what is carried is counted, and its budget holds
  bool only = false;           ///< the registry itself is never asked
};
/// "anybody": answer as if the one who asks had nothing but the credential that comes along.
inline constexpr std::string_view kAsHeader = "Samara-As";
/// Is in the answer of a site that doesn't let its client in at all; what a registry refuses comes without.
inline constexpr std::string_view kRefusedHeader = "Samara-Refused";

class Authorizer;
class Endpoints;
class UpstreamMetrics;

/// One registry that images come from.
///
/// Answers a bearer or basic challenge with the credentials of the request's identity, or anonymously. Follows
/// redirects, anew for each request; credentials stay with the registry. Its endpoints are tried in order, those that
/// failed lately last; when all fail, the first configured one's answer counts. One that limits requests (429) isn't
/// asked for as long as it says, and what would need it fails at once.
/// Threads: any.
class Upstream {
 public:
  /// `client`, `clock`, `metrics` and `way` (null: none) are borrowed. `stop` ends requests that have no stop token of
  /// their own.
  Upstream(UpstreamConfig config, http::Client& client, const Clock& clock, Metrics& metrics, std::stop_token stop = {},
           const SiteWay* way = nullptr);
  ~Upstream();

  const UpstreamConfig& config() const { return config_; }
  /// Is there anything that the site itself may have and nobody else? Else its name is as good as none.
  bool has_own_name() const { return config_.has_credentials() || way_ != nullptr; }

  struct Request {
    enum class Kind { kManifest, kBlob, kTags, kReferrers };
    Kind kind = Kind::kBlob;
    std::string repository;  ///< "library/python"
    std::string reference;   ///< tag or digest; of kTags empty
    std::string query;       ///< of kTags and kReferrers, encoded
    Identity as;
    bool head = false;
    std::optional<ByteRange> range;  ///< `end` kOpenEnd: to the end, whatever that is
    std::stop_token stop;
    /// Where there is something else to go on with: the longest silence to bear, if that is less than the upstream's.
    std::optional<std::chrono::milliseconds> patience;
    /// Called when a body has come whole: is it what it should be? DataLoss is the endpoint's fault. Nothing: it is.
    std::function<absl::Status()> check;
    /// `on_head` may be called again, by another endpoint, although `on_body` has had something: it starts anew then.
    bool can_start_anew = false;
  };
  static constexpr std::uint64_t kOpenEnd = ~std::uint64_t{0};

  /// Streams the answer; `on_head` is called for 200, and for 206 when a range was asked for, and for nothing else.
  /// Errors: NotFound, Unauthenticated (401), PermissionDenied (403), ResourceExhausted (429), Unavailable (5xx,
  /// network), DeadlineExceeded, OutOfRange (416), Unimplemented (405), Internal (any other answer), Cancelled, and
  /// those of the callbacks. They name registry, repository and reference, and no secret. ResourceExhausted says for
  /// how long, where that is known (src/retry_after.h).
  absl::Status fetch(const Request& request, const http::Client::OnHead& on_head, const http::Client::OnBody& on_body);

  /// Does the registry have this, for this identity? HEAD, or the beginning of a GET where it knows no HEAD (or for
  /// lists). OK, or the errors of fetch().
  absl::Status ask_whether(Request request);

 private:
  struct Outcome {
    absl::Status status;
    bool begun = false;          // the answer has begun: nobody else can go on with it
    bool endpoint_fault = false;  // and not one of ours or of the callbacks
  };
  /// Where a request goes: the first ones are sites on the way to the registry.
  struct Endpoint {
    std::string url;
    bool is_site = false;
  };
  static std::vector<Endpoint> endpoints_of(const UpstreamConfig& config, const SiteWay* way);
  http::ClientRequest request_to(const Endpoint& endpoint, const Request& request) const;
  Outcome ask(std::size_t endpoint, const Request& request, const http::Client::OnHead& on_head,
              const http::Client::OnBody& on_body);
  absl::Status fetch_from(const Endpoint& endpoint, const Request& request, const http::Client::OnHead& on_head,
                          const http::Client::OnBody& on_body);
  void note(std::size_t endpoint, const Request& request, const Outcome& outcome);
  absl::Status failure(int code, const http::Headers& headers) const;

  const UpstreamConfig config_;
  const SiteWay* const way_;
  const std::vector<Endpoint> urls_;
  http::Client& client_;
  const Clock& clock_;
  const std::stop_token stop_;
  const std::unique_ptr<UpstreamMetrics> metrics_;
  std::unique_ptr<Authorizer> authorizer_;
  std::unique_ptr<Endpoints> endpoints_;
};

/// Every upstream by name: the configured ones, and others as they are asked for.
/// Threads: any.
class Upstreams {
 public:
  struct Options {
    std::vector<UpstreamConfig> configured;
    bool allow_others = true;  ///< registries that aren't configured, over https and anonymously
    UpstreamConfig others;     ///< what those get, apart from name and URLs
    std::optional<SiteWay> way;  ///< to all of them
  };
  /// Everything but the options is borrowed.
  Upstreams(Options options, http::Client& client, const Clock& clock, Metrics& metrics);

  /// The repository by its upstream's own name, whichever alias of it the client used. Errors: as make_repository().
  absl::StatusOr<Repository> repository(std::string_view registry, std::string_view name) const;

  /// The registry that a client means by a request to this Host ("ghcr.site:7700") of ours; empty: none in particular.
  std::string_view registry_at(std::string_view host) const;

  /// Lives as long as this object. NotFound when the registry isn't configured and others aren't allowed.
  absl::StatusOr<Upstream*> find(std::string_view registry);

  /// Ends requests under way and all later ones with Cancelled, apart from those with a stop token of their own.
  void stop() { stop_.request_stop(); }

 private:
  const SiteWay* way() const { return options_.way ? &*options_.way : nullptr; }

  const Options options_;
  std::map<std::string, std::string, std::less<>> aliases_;  // to the name; never changes, as the next
  std::map<std::string, std::string, std::less<>> hosts_;    // in lower case, to the name
  http::Client& client_;
  const Clock& clock_;
  Metrics& metrics_;
  std::stop_source stop_;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Upstream>, std::less<>> upstreams_;
};

}  // namespace samara::registry_proxy
