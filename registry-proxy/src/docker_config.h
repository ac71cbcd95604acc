#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace samara::registry_proxy {

/// What proves to a registry who asks: a user name with a password, or an identity token. A secret: never logged.
struct Credential {
  std::string username, password;
  std::string identity_token;  ///< an OAuth2 refresh token, in place of the other two

  std::string basic() const;  ///< as an Authorization value; source: RFC 7617 §2
};

/// What a docker config file says of one registry.
struct DockerCredential {
  std::optional<Credential> entry;  ///< of "auths"
  std::string helper;               ///< "X" of docker-credential-X, which goes before `entry`; empty: none
  std::string server;               ///< what the helper is asked for
};

/// Finds a registry in a docker config file: {"auths": {…}, "credHelpers": {…}, "credsStore": "…"}. A helper for the
/// registry goes before the store, and the store before the entries. Docker Hub is "https://index.docker.io/v1/" there;
/// other keys are a host with or without scheme and with or without "/v1/" or "/v2/".
/// Errors: InvalidArgument (not such a file, an "auth" that isn't one, a helper with a name that no program has).
/// Source: docker/cli, "config.json" in docs/reference/commandline/cli; docker login, "Credential stores".
absl::StatusOr<DockerCredential> find_docker_credential(std::string_view config, std::string_view registry);

/// What a credential helper prints: {"Username": "…", "Secret": "…"}; the user name "<token>" makes the secret an
/// identity token. InvalidArgument for anything else; the message holds nothing of it.
/// Source: docker/docker-credential-helpers, README.
absl::StatusOr<Credential> parse_helper_answer(std::string_view answer);

}  // namespace samara::registry_proxy
