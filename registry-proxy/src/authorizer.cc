#include "authorizer.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "json.h"

namespace samara::registry_proxy {
namespace {

constexpr std::uint64_t kMaxTokenAnswer = 256 * 1024;
constexpr std::uint64_t kMaxLifetime = 24 * 3600;  // seconds
constexpr std::size_t kMaxEntries = 4096;

// The specification's default when a token says nothing, and the margin in which one is renewed.
constexpr std::uint64_t kDefaultLifetime = 60;
std::chrono::seconds usable_for(std::uint64_t lifetime) {
  return std::chrono::seconds(lifetime - std::min<std::uint64_t>(lifetime / 4 + 1, 15));
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return absl::ascii_isgraph(static_cast<unsigned char>(c)); });
}

std::string token_query(const Challenge& challenge, const std::string& repository) {
  std::string scope = challenge.parameter("scope");
  if (scope.empty()) scope = str_cat("repository:", repository, ":pull");
  std::string query = str_cat("scope=", http::percent_encode(scope));
  if (const std::string service = challenge.parameter("service"); !service.empty())
    str_append(&query, "&service=", http::percent_encode(service));
  return query;
}

}  // namespace

std::string Authorizer::remembered(const std::string& url, const std::string& repository) {
  const std::lock_guard lock(mutex_);
  const auto it = entries_.find({url, repository});
  if (it == entries_.end()) return {};
  if (it->second.until && clock_.now() >= *it->second.until) {
    entries_.erase(it);
    return {};
  }
  return it->second.value;
}

absl::StatusOr<std::string> Authorizer::answer(const http::Headers& response, const std::string& url,
                                               const std::string& repository, std::stop_token stop) {
  Entry entry;
  for (const auto& [name, value] : response.fields()) {
    if (!absl::EqualsIgnoreCase(name, "WWW-Authenticate")) continue;
    for (const Challenge& challenge : parse_challenges(value)) {
      if (challenge.scheme == "bearer") {
        SAMARA_ASSIGN_OR_RETURN(entry, fetch_token(challenge, url, repository, stop));
      } else if (challenge.scheme == "basic") {
        SAMARA_ASSIGN_OR_RETURN(const auto credentials, basic_credentials());
        if (!credentials) return absl::UnauthenticatedError("wants a user name and a password, and none is configured");
        entry.value = *credentials;
      }
      if (!entry.value.empty()) break;
    }
  }
  if (entry.value.empty()) return absl::UnauthenticatedError("asks for an authentication that isn't known here");
  const std::lock_guard lock(mutex_);
  if (entries_.size() >= kMaxEntries) entries_.clear();  // they are cheap to get again
  entries_.insert_or_assign({url, repository}, entry);
  return entry.value;
}

absl::StatusOr<std::optional<std::string>> Authorizer::basic_credentials() const {
  if (config_.username.empty()) return std::nullopt;
  std::string password;
  if (!config_.password_file.empty()) {
    SAMARA_ASSIGN_OR_RETURN(password, read_file(config_.password_file, 64 * 1024));
    while (!password.empty() && (password.back() == '\n' || password.back() == '\r')) password.pop_back();
  }
  return str_cat("Basic ", absl::Base64Escape(str_cat(config_.username, ":", password)));
}

absl::StatusOr<http::Response> Authorizer::ask_token_server(const std::string& realm, const std::string& query,
                                                            const std::string& url, std::stop_token stop) {
  http::ClientRequest request;
  request.url = str_cat(realm, realm.find('?') == std::string::npos ? "?" : "&", query);
  request.connect_timeout = config_.connect_timeout;
  request.idle_timeout = config_.idle_timeout;
  request.follow_redirects = true;
  request.ca_file = config_.ca_file;
  request.client_certificate = config_.client_certificate;
  request.client_key = config_.client_key;
  request.stop = stop;
  // A registry over TLS can't make us send a password in the clear.
  if (realm.starts_with("https://") || url.starts_with("http://")) {
    SAMARA_ASSIGN_OR_RETURN(const auto credentials, basic_credentials());
    if (credentials) request.headers.add("Authorization", *credentials);
  }
  return client_.get(request, kMaxTokenAnswer);
}

absl::StatusOr<Authorizer::Entry> Authorizer::fetch_token(const Challenge& challenge, const std::string& url,
                                                          const std::string& repository, std::stop_token stop) {
  const auto asked = clock_.now();
  const auto response = ask_token_server(challenge.parameter("realm"), token_query(challenge, repository), url, stop);
  if (!response.ok()) return annotate(response.status(), "its token server");
  const int status = response->head.status;
  if (status == 401 || status == 403) return absl::UnauthenticatedError("its token server refuses");
  if (status != 200) return absl::UnavailableError(str_cat("its token server answers ", status));
  const auto body = parse_json(response->body);
  if (!body) return absl::UnavailableError("its token server gives no JSON");
  const std::string token = json_text(*body, "token").value_or(json_text(*body, "access_token").value_or(""));
  if (token.empty() || !is_printable(token)) return absl::UnavailableError("its token server gives no token");
  const std::uint64_t lifetime = std::min(json_number(*body, "expires_in").value_or(kDefaultLifetime), kMaxLifetime);
  return Entry{str_cat("Bearer ", token), asked + usable_for(lifetime)};
}

}  // namespace samara::registry_proxy
