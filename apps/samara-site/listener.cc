#include "listener.h"

#include "base/status.h"
#include "base/text.h"

namespace samara {
namespace {

absl::StatusOr<http::TlsOptions> read_tls(Config& config) {
  http::TlsOptions tls;
  tls.certificate = config.text("certificate");
  tls.key = config.text("key");
  tls.client_ca = config.text("client_ca");
  if (tls.certificate.empty() != tls.key.empty())
    return absl::InvalidArgumentError("certificate and key are needed both or neither");
  if (tls.certificate.empty() && !tls.client_ca.empty())
    return absl::InvalidArgumentError("client_ca needs certificate and key");
  return tls;
}

}  // namespace

absl::StatusOr<ListenerOptions> read_listener(Config& config, std::string_view default_address) {
  ListenerOptions listener;
  listener.server.listen = config.text("listen", default_address);
  SAMARA_ASSIGN_OR_RETURN(const http::TlsOptions tls, read_tls(config));
  if (!tls.certificate.empty()) listener.server.tls = tls;
  const std::string access = config.text("access");
  if (!access.empty() && access != "open")
    return absl::InvalidArgumentError(str_cat("access can be \"open\" or absent, not \"", access, "\""));
  listener.access.open = access == "open";
  listener.access.certificates = !tls.client_ca.empty();
  listener.access.tokens_file = config.text("tokens_file");
  SAMARA_RETURN_IF_ERROR(registry_proxy::Access::check(listener.server, listener.access));
  return listener;
}

absl::StatusOr<std::vector<ListenerOptions>> read_listeners(Config& config) {
  std::vector<ListenerOptions> listeners;
  SAMARA_ASSIGN_OR_RETURN(ListenerOptions first, read_listener(config, "127.0.0.1:7700"));
  listeners.push_back(std::move(first));
  for (Config* table : config.tables("listener")) {
    absl::StatusOr<ListenerOptions> listener = read_listener(*table, "");
    if (!listener.ok()) return annotate(listener.status(), str_cat("listener.", table->key()));
    listeners.push_back(*std::move(listener));
  }
  return listeners;
}

}  // namespace samara
