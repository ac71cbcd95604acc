#include "authorizer.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "base/status.h"
#include "base/text.h"
#include "json.h"
#include "outage.h"
#include "retry_after.h"
#include "upstream_metrics.h"

namespace samara::registry_proxy {
namespace {

constexpr std::uint64_t kMaxTokenAnswer = 256 * 1024;
constexpr std::uint64_t kMaxLifetime = 24 * 3600;  // seconds
constexpr std::size_t kMaxRemembered = 4096;

// The specification's default when a token says nothing, and the margin in which one is renewed.
constexpr std::uint64_t kDefaultLifetime = 60;
std::chrono::seconds renewed_after(std::uint64_t lifetime) {
  return std::chrono::seconds(lifetime - std::min<std::uint64_t>(lifetime / 4 + 1, 15));
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return absl::ascii_isgraph(static_cast<unsigned char>(c)); });
}

// "name=value&…" without empty values.
std::string form(std::initializer_list<std::pair<std::string_view, std::string_view>> fields) {
  std::string text;
  for (const auto& [name, value] : fields)
    if (!value.empty()) str_append(&text, text.empty() ? "" : "&", name, "=", http::percent_encode(value));
  return text;
}

}  // namespace

Authorizer::Authorizer(const UpstreamConfig& config, http::Client& client, const Clock& clock, UpstreamMetrics& metrics,
                       std::stop_token stop)
    : config_(config), client_(client), clock_(clock), metrics_(metrics), stop_(std::move(stop)), credentials_(config) {}

absl::StatusOr<std::string> Authorizer::prepare(const Question& question) {
  std::optional<Plan> plan;
  {
    const std::lock_guard lock(mutex_);
    if (const auto it = plans_.find(key_of(question)); it != plans_.end()) plan = it->second;
  }
  if (!plan) return std::string();
  return plan->want ? token_for(*plan->want, question, "") : std::move(plan->basic);
}

absl::StatusOr<std::string> Authorizer::answer(const http::Headers& response, const Question& question,
                                               const std::string& rejected) {
  for (const auto& [name, value] : response.fields()) {
    if (!absl::EqualsIgnoreCase(name, "WWW-Authenticate")) continue;
    for (const Challenge& challenge : parse_challenges(value)) {
      if (challenge.scheme == "basic") return basic_for(question, rejected);
      if (challenge.scheme != "bearer") continue;
      const Want want = want_of(challenge, question);
      SAMARA_ASSIGN_OR_RETURN(std::string token, token_for(want, question, rejected));
      remember(question, Plan{want, {}});
      return token;
    }
  }
  return absl::UnauthenticatedError("asks for an authentication that isn't known here");
}

Authorizer::Want Authorizer::want_of(const Challenge& challenge, const Question& question) {
  Want want;
  want.identity = question.as.key();
  want.realm = challenge.parameter("realm");
  want.service = challenge.parameter("service");
  want.scope = challenge.parameter("scope");
  if (want.scope.empty()) want.scope = str_cat("repository:", question.repository, ":pull");
  // A registry over TLS can't make us send a password in the clear.
  want.may_show_password = want.realm.starts_with("https://") || question.url.starts_with("http://");
  return want;
}

void Authorizer::remember(const Question& question, Plan plan) {
  const std::lock_guard lock(mutex_);
  if (plans_.size() >= kMaxRemembered) plans_.clear();  // they are cheap to get again
  plans_.insert_or_assign(key_of(question), std::move(plan));
}

absl::StatusOr<std::optional<Credential>> Authorizer::credential_of(const Identity& as) const {
  if (as.kind() != Identity::Kind::kSite) return std::nullopt;
  auto credential = credentials_.get();
  if (!credential.ok()) return annotate(credential.status(), "the credentials configured for it");
  return credential;
}

absl::StatusOr<std::string> Authorizer::basic_for(const Question& question, const std::string& rejected) {
  std::string value = question.as.authorization();
  SAMARA_ASSIGN_OR_RETURN(const auto credential, credential_of(question.as));
  if (credential && credential->identity_token.empty()) value = credential->basic();
  if (value.empty()) return absl::UnauthenticatedError("wants a user name and a password, and none is at hand");
  // Sent once more it would only bring the account nearer to being locked.
  if (value == rejected) return absl::UnauthenticatedError("refuses the user name and the password");
  remember(question, Plan{std::nullopt, value});
  return value;
}

absl::StatusOr<std::string> Authorizer::token_for(const Want& want, const Question& question, const std::string& rejected) {
  if (const auto token = usable(want, rejected); token && clock_.now() < token->renew) return token->value;
  return flights_.run(want, [&]() -> absl::StatusOr<std::string> {
    const auto old = usable(want, rejected);
    if (old && clock_.now() < old->renew) return old->value;  // whoever flew before us has brought it
    auto token = fetch_token(want, question);
    metrics_.note_token(token.status());
    if (!token.ok()) {
      if (old && is_outage(token.status())) return old->value;
      return token.status();
    }
    const std::lock_guard lock(mutex_);
    if (tokens_.size() >= kMaxRemembered) tokens_.clear();
    return tokens_.insert_or_assign(want, *std::move(token)).first->second.value;
  });
}

std::optional<Authorizer::Token> Authorizer::usable(const Want& want, const std::string& rejected) {
  const std::lock_guard lock(mutex_);
  const auto it = tokens_.find(want);
  if (it == tokens_.end() || it->second.value == rejected || clock_.now() >= it->second.expires) return std::nullopt;
  return it->second;
}

absl::StatusOr<http::Response> Authorizer::ask_token_server(const Want& want, const Question& question) {
  const Identity& as = question.as;
  http::ClientRequest request;
  request.connect_timeout = std::min(config_.connect_timeout, question.patience.value_or(config_.connect_timeout));
  request.idle_timeout = std::min(config_.idle_timeout, question.patience.value_or(config_.idle_timeout));
  request.ca_file = config_.ca_file;
  request.client_certificate = config_.client_certificate;
  request.client_key = config_.client_key;
  request.stop = stop_;
  std::string authorization;
  if (want.may_show_password) {
    SAMARA_ASSIGN_OR_RETURN(const auto credential, credential_of(as));
    if (credential && !credential->identity_token.empty()) {
      // Not redirected: whoever gets this token may go on using it.
      request.method = "POST";
      request.url = want.realm;
      request.headers.add("Content-Type", "application/x-www-form-urlencoded");
      request.body = form({{"grant_type", "refresh_token"}, {"client_id", "samara"}, {"service", want.service},
                           {"scope", want.scope}, {"refresh_token", credential->identity_token}});
      return client_.get(request, kMaxTokenAnswer);
    }
    authorization = credential ? credential->basic() : as.authorization();
  }
  request.url = str_cat(want.realm, want.realm.find('?') == std::string::npos ? "?" : "&",
                        form({{"scope", want.scope}, {"service", want.service}}));
  request.follow_redirects = true;
  if (!authorization.empty()) request.headers.add("Authorization", authorization);
  return client_.get(request, kMaxTokenAnswer);
}

absl::StatusOr<Authorizer::Token> Authorizer::fetch_token(const Want& want, const Question& question) {
  const auto asked = clock_.now();
  const auto response = ask_token_server(want, question);
  if (!response.ok()) return annotate(response.status(), "its token server");
  const int status = response->head.status;
  if (status == 400 || status == 401 || status == 403) return absl::UnauthenticatedError("its token server refuses");
  if (status == 429)
    return limited("its token server limits our requests (429)", response->head.headers, clock_, config_.longest_backoff);
  if (status != 200) return absl::UnavailableError(str_cat("its token server answers ", status));
  const auto body = parse_json(response->body);
  if (!body) return absl::UnavailableError("its token server gives no JSON");
  const std::string token = json_text(*body, "token").value_or(json_text(*body, "access_token").value_or(""));
  if (token.empty() || !is_printable(token)) return absl::UnavailableError("its token server gives no token");
  const std::uint64_t lifetime = std::min(json_number(*body, "expires_in").value_or(kDefaultLifetime), kMaxLifetime);
  return Token{str_cat("Bearer ", token), asked + renewed_after(lifetime), asked + std::chrono::seconds(lifetime)};
}

}  // namespace samara::registry_proxy
