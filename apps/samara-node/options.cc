#include "options.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "base/text.h"
#include "cache_options.h"
#include "peer/warm_protocol.h"

namespace samara {
namespace {

absl::Status check_path(std::string_view name, const std::string& path) {
  if (path.starts_with('/')) return absl::OkStatus();
  return absl::InvalidArgumentError(str_cat(name, " must be an absolute path, not \"", path, "\""));
}

constexpr std::pair<std::string_view, HolderKind> kHolderKinds[] = {{"auto", HolderKind::kAuto},
                                                                    {"systemd", HolderKind::kSystemd},
                                                                    {"process", HolderKind::kProcess},
                                                                    {"none", HolderKind::kNone}};

absl::Status read_holder(Config& holder, NodeOptions& options) {
  options.abort_after = holder.duration("abort_after", options.abort_after);
  const std::string kind = holder.text("kind", "auto");
  const auto* found = std::find_if(std::begin(kHolderKinds), std::end(kHolderKinds),
                                   [&](const auto& each) { return each.first == kind; });
  if (found == std::end(kHolderKinds)) {
    return absl::InvalidArgumentError(str_cat("holder.kind must be auto, systemd, process or none, not \"", kind, "\""));
  }
  options.holder = found->second;
  if (options.abort_after >= std::chrono::seconds(1) && options.abort_after <= std::chrono::hours(1)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError("holder.abort_after must be from 1s to 1h");
}

// Nodes show each other what they show the site.
absl::Status read_neighbours(Config& neighbours, NodeOptions& options) {
  options.neighbours = neighbours.flag("enabled", options.neighbours);
  options.neighbours_server.listen = neighbours.text("listen", "0.0.0.0:7704");
  const std::int64_t requests =
      neighbours.number("max_requests", static_cast<std::int64_t>(options.neighbours_service.max_requests));
  if (requests < 1 || requests > 10'000) return absl::InvalidArgumentError("neighbours.max_requests must be from 1 to 10000");
  options.neighbours_service.max_requests = static_cast<std::size_t>(requests);
  if (options.site.certificate.empty()) return absl::OkStatus();
  options.neighbours_server.tls = http::TlsOptions{
      .certificate = options.site.certificate, .key = options.site.key, .client_ca = options.site.ca};
  options.neighbours_service.certificates = !options.site.ca.empty();
  return absl::OkStatus();
}

std::string host_name() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0 || !peer::is_node_name(name)) return "node";
  return name;
}

// Who the node is to its site.
absl::Status read_identity(Config& node, NodeOptions& options) {
  options.name = node.text("name", host_name());
  if (!peer::is_node_name(options.name))
    return absl::InvalidArgumentError(str_cat("node.name may have A-Z a-z 0-9 . _ and -, not \"", options.name, "\""));
  for (const std::string& label : node.texts("labels")) {
    const std::size_t equals = label.find('=');
    options.labels[label.substr(0, equals)] = equals == label.npos ? "" : label.substr(equals + 1);
  }
  // What the site would refuse is told here.
  peer::Heartbeat beat;
  beat.name = options.name;
  beat.labels = options.labels;
  const auto said = http::parse_target(str_cat(peer::kHeartbeatPath, peer::to_query(beat)));
  if (!said || !peer::heartbeat_from(*said).ok())
    return absl::InvalidArgumentError("node.labels are \"key\" or \"key=value\", each of at most 63 of A-Z a-z 0-9 . _ - and /, at most 64");
  return absl::OkStatus();
}

absl::Status check(const NodeOptions& options) {
  SAMARA_RETURN_IF_ERROR(check_path("root", options.root));
  SAMARA_RETURN_IF_ERROR(check_path("snapshotter_socket", options.snapshotter_socket));
  SAMARA_RETURN_IF_ERROR(check_path("node_socket", options.node_socket));
  if (options.snapshotter_socket == options.node_socket) {
    return absl::InvalidArgumentError("snapshotter_socket and node_socket must differ");
  }
  for (const std::string& site : options.sites) {
    if (!site.starts_with("http://") && !site.starts_with("https://")) {
      return absl::InvalidArgumentError(str_cat("sites: \"", site, "\" is not an http:// or https:// URL"));
    }
  }
  if (options.site.certificate.empty() != options.site.key.empty()) {
    return absl::InvalidArgumentError("site_certificate and site_key are needed both or neither");
  }
  if (options.fetcher.workers < 2 || options.fetcher.workers > 256) {
    return absl::InvalidArgumentError("fetch_workers must be from 2 to 256");
  }
  if (options.finder.wait.ordinary_bytes_per_second == 0) {
    return absl::InvalidArgumentError("wait.ordinary_pull must be more than 0");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status read_options(Config& config, NodeOptions& options) {
  options.root = config.text("root", options.root);
  options.snapshotter_socket = config.text("snapshotter_socket", options.snapshotter_socket);
  options.node_socket = config.text("node_socket", options.node_socket);
  options.sites = config.texts("sites", options.sites);
  options.site.ca = config.text("site_ca");
  options.site.certificate = config.text("site_certificate");
  options.site.key = config.text("site_key");
  options.site.token_file = config.text("site_token_file");
  options.server.listen = config.text("listen", "127.0.0.1:7701");
  options.fetcher.memory_bytes = config.size("memory", options.fetcher.memory_bytes);
  options.fetcher.workers =
      static_cast<std::size_t>(config.number("fetch_workers", static_cast<std::int64_t>(options.fetcher.workers)));
  options.fetcher.read_deadline = config.duration("read_deadline", options.fetcher.read_deadline);

  SAMARA_RETURN_IF_ERROR(read_cache_limits(config, options.cache_limits));

  Config& background = config.table("background");
  options.background_fetch = background.flag("fetch", options.background_fetch);
  options.background.quiet = background.duration("quiet", options.background.quiet);
  options.background.rate = background.size("rate", options.background.rate);
  options.pressure.memory = static_cast<double>(background.number("memory_pressure", static_cast<std::int64_t>(options.pressure.memory)));
  options.pressure.io = static_cast<double>(background.number("io_pressure", static_cast<std::int64_t>(options.pressure.io)));

  Config& traces = config.table("traces");
  options.learn = traces.flag("learn", options.learn);
  options.preload = traces.flag("preload", options.preload);
  options.traces.share = traces.flag("share", options.traces.share);
  options.traces.settle = traces.duration("settle", options.traces.settle);
  options.traces.most_bytes = traces.size("most_bytes", options.traces.most_bytes);

  Config& wait = config.table("wait");
  options.finder.wait.base = wait.duration("base", options.finder.wait.base);
  options.finder.wait.ordinary_bytes_per_second =
      wait.size("ordinary_pull", options.finder.wait.ordinary_bytes_per_second);
  options.finder.site_answer = wait.duration("site_answer", options.finder.site_answer);
  options.finder.site_retry = wait.duration("site_retry", options.finder.site_retry);

  SAMARA_RETURN_IF_ERROR(read_identity(config.table("node"), options));
  SAMARA_RETURN_IF_ERROR(read_holder(config.table("holder"), options));
  SAMARA_RETURN_IF_ERROR(read_swarm_options(config.table("swarm"), "0.0.0.0:7702",
                                             {options.site.ca, options.site.certificate, options.site.key}, options.swarm));
  options.swarm.swarm.tracker_authority = options.site.ca;
  SAMARA_RETURN_IF_ERROR(read_neighbours(config.table("neighbours"), options));
  SAMARA_RETURN_IF_ERROR(config.finish());
  return check(options);
}

}  // namespace samara
