#include "seed_options.h"

#include <unistd.h>

#include "base/status.h"
#include "base/text.h"

namespace samara {
namespace {

std::string host_name() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0 || !peer::is_node_name(name)) return "site";
  return name;
}

}  // namespace

absl::Status read_seed_options(Config& config, SeedOptions& options) {
  options.site = config.text("name", host_name());
  if (!peer::is_node_name(options.site))
    return absl::InvalidArgumentError(str_cat("name may have A-Z a-z 0-9 . _ and -, not \"", options.site, "\""));
  Config& table = config.table("seed");
  options.enabled = table.flag("enabled", options.enabled);
  options.socket_is_needed = table.has("socket");
  options.socket = table.text("socket", options.socket);
  options.tell_parent = table.flag("tell_parent", options.tell_parent);
  options.rates.node = table.size("node_rate", options.rates.node);
  options.rates.site = table.size("site_rate", options.rates.site);
  options.rates.upstream = table.size("upstream_rate", options.rates.upstream);
  if (!table.has("listen")) return absl::OkStatus();
  absl::StatusOr<ListenerOptions> listener = read_listener(table, "");
  if (!listener.ok()) return annotate(listener.status(), "seed");
  options.listener = *std::move(listener);
  return absl::OkStatus();
}

}  // namespace samara
