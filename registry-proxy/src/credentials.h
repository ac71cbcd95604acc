#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "docker_config.h"
#include "registry_proxy/upstream.h"

namespace samara::registry_proxy {

/// The site's own credential for one upstream: user name and password file, or a docker config file. Files are read and
/// helpers run for each get(), so that a new secret needs no restart.
/// Threads: any; `config` is borrowed.
class Credentials {
 public:
  explicit Credentials(const UpstreamConfig& config) : config_(config) {}

  /// nullopt when none is configured, or the docker config has none for this registry.
  /// Errors: those of read_file(), find_docker_credential() and run_credential_helper(). None holds a secret.
  absl::StatusOr<std::optional<Credential>> get() const;

 private:
  const UpstreamConfig& config_;
};

}  // namespace samara::registry_proxy
