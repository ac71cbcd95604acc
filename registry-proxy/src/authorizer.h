#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/http/client.h"
#include "registry_proxy/challenge.h"
#include "registry_proxy/upstream.h"

namespace samara::registry_proxy {

/// Makes Authorization values for one registry and remembers them per URL and repository.
/// Source: RFC 7617 (Basic); Distribution's token authentication specification (Bearer).
/// Threads: any.
class Authorizer {
 public:
  Authorizer(const UpstreamConfig& config, http::Client& client, const Clock& clock)
      : config_(config), client_(client), clock_(clock) {}

  /// What worked last and hasn't expired; empty otherwise.
  std::string remembered(const std::string& url, const std::string& repository);
  /// Answers a 401 of `url`. Errors: Unauthenticated (nothing that we could answer, or refused), Unavailable and
  /// DeadlineExceeded (token server).
  absl::StatusOr<std::string> answer(const http::Headers& response, const std::string& url,
                                     const std::string& repository, std::stop_token stop);

 private:
  struct Entry {
    std::string value;
    std::optional<std::chrono::steady_clock::time_point> until;  // nullopt: as long as it works
  };

  absl::StatusOr<std::optional<std::string>> basic_credentials() const;
  absl::StatusOr<Entry> fetch_token(const Challenge& challenge, const std::string& url, const std::string& repository,
                                    std::stop_token stop);
  absl::StatusOr<http::Response> ask_token_server(const std::string& realm, const std::string& query,
                                                  const std::string& url, std::stop_token stop);

  const UpstreamConfig& config_;
  http::Client& client_;
  const Clock& clock_;
  std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, Entry> entries_;
};

}  // namespace samara::registry_proxy
