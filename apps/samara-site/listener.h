#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "base/config.h"
#include "base/http/server.h"
#include "registry_proxy/access.h"

namespace samara {

/// An address that the site listens on, and who may use it.
struct ListenerOptions {
  http::Server::Options server;
  registry_proxy::Access::Options access;
};

/// That of the options of one table: listen, certificate, key, client_ca, tokens_file, access.
/// Errors: InvalidArgument.
absl::StatusOr<ListenerOptions> read_listener(Config& config, std::string_view default_address);

/// That of `listen` and its companions at the top of the file, then one for each table [listener.<name>].
/// Errors: InvalidArgument, naming the address or the table.
absl::StatusOr<std::vector<ListenerOptions>> read_listeners(Config& config);

}  // namespace samara
