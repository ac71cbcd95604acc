#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/http/client.h"
#include "credentials.h"
#include "registry_proxy/challenge.h"
#include "registry_proxy/identity.h"
#include "registry_proxy/upstream.h"
#include "single_flight.h"

namespace samara::registry_proxy {

/// Makes Authorization values for one registry.
///
/// What the registry has asked for once is remembered per endpoint, repository and identity, so that later requests
/// carry the right value from the start. Tokens are shared by all who want the same (realm, service, scope, identity),
/// one request for however many want it, and renewed some time before they expire; while the token server can't be
/// reached, one that hasn't expired yet serves on.
/// Source: RFC 7617 (Basic); Distribution's token authentication specification and its OAuth2 variant (Bearer).
/// Threads: any.
class Authorizer {
 public:
  /// Everything is borrowed; `stop` ends requests to token servers.
  Authorizer(const UpstreamConfig& config, http::Client& client, const Clock& clock, UpstreamMetrics& metrics,
             std::stop_token stop);

  /// Whom is asked, for what, and on whose behalf.
  struct Question {
    const std::string& url;
    const std::string& repository;
    const Identity& as;
    std::optional<std::chrono::milliseconds> patience;  ///< with a token server, if less than the upstream's
  };
  /// What to send along; empty as long as the registry hasn't asked for anything. Errors: as answer().
  absl::StatusOr<std::string> prepare(const Question& question);
  /// Answers a 401. `rejected`: what had been sent along; never given again unless the token server itself does.
  /// Errors: Unauthenticated (nothing that could be answered, or refused), ResourceExhausted, Unavailable and
  /// DeadlineExceeded (token server), those of Credentials::get().
  absl::StatusOr<std::string> answer(const http::Headers& response, const Question& question,
                                     const std::string& rejected);

 private:
  struct Token {
    std::string value;  // an Authorization value
    std::chrono::steady_clock::time_point renew, expires;
  };
  // What a token is asked for, and by whom; equal wants share a token.
  struct Want {
    std::string identity, realm, service, scope;
    bool may_show_password = false;
    auto operator<=>(const Want&) const = default;
  };
  // How an endpoint wants to be answered.
  struct Plan {
    std::optional<Want> want;  // bearer
    std::string basic;         // else
  };
  using PlanKey = std::tuple<std::string, std::string, std::string>;  // URL, repository, identity

  static PlanKey key_of(const Question& question) { return {question.url, question.repository, question.as.key()}; }
  static Want want_of(const Challenge& challenge, const Question& question);
  void remember(const Question& question, Plan plan);
  absl::StatusOr<std::optional<Credential>> credential_of(const Identity& as) const;
  absl::StatusOr<std::string> basic_for(const Question& question, const std::string& rejected);
  absl::StatusOr<std::string> token_for(const Want& want, const Question& question, const std::string& rejected);
  std::optional<Token> usable(const Want& want, const std::string& rejected);
  absl::StatusOr<Token> fetch_token(const Want& want, const Question& question);
  absl::StatusOr<http::Response> ask_token_server(const Want& want, const Question& question);

  const UpstreamConfig& config_;
  http::Client& client_;
  const Clock& clock_;
  UpstreamMetrics& metrics_;
  const std::stop_token stop_;
  const Credentials credentials_;
  SingleFlight<absl::StatusOr<std::string>, Want> flights_;
  std::mutex mutex_;
  std::map<PlanKey, Plan> plans_;
  std::map<Want, Token> tokens_;
};

}  // namespace samara::registry_proxy
