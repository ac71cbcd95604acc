#include "options.h"

#include <optional>
#include <set>

#include "base/status.h"
#include "base/text.h"

namespace samara {
namespace {

using registry_proxy::ConvertPolicy;
using registry_proxy::UpstreamConfig;

std::optional<ConvertPolicy> convert_policy(std::string_view name) {
  if (name == "on-pull") return ConvertPolicy::kOnPull;
  if (name == "on-request") return ConvertPolicy::kOnRequest;
  if (name == "never") return ConvertPolicy::kNever;
  return std::nullopt;
}

std::string_view name_of(ConvertPolicy policy) {
  switch (policy) {
    case ConvertPolicy::kOnRequest: return "on-request";
    case ConvertPolicy::kNever: return "never";
    case ConvertPolicy::kOnPull: break;
  }
  return "on-pull";
}

// What an upstream and the defaults for all have in common.
absl::Status read_common(Config& config, UpstreamConfig& upstream) {
  const std::string convert = config.text("convert", name_of(upstream.convert));
  const std::optional<ConvertPolicy> policy = convert_policy(convert);
  if (!policy)
    return absl::InvalidArgumentError(str_cat("convert must be \"on-pull\", \"on-request\" or \"never\", not \"", convert, "\""));
  upstream.convert = *policy;
  upstream.connect_timeout = config.duration("connect_timeout", upstream.connect_timeout);
  upstream.idle_timeout = config.duration("idle_timeout", upstream.idle_timeout);
  upstream.tag_ttl = config.duration("tag_ttl", upstream.tag_ttl);
  upstream.stale_for = config.duration("stale_for", upstream.stale_for);
  upstream.failed_behind = config.duration("failed_behind", upstream.failed_behind);
  upstream.longest_backoff = config.duration("longest_backoff", upstream.longest_backoff);
  return absl::OkStatus();
}

absl::Status read_upstream(Config& config, UpstreamConfig& upstream) {
  upstream.registry = config.key();
  upstream.aliases = config.texts("aliases");
  upstream.urls = config.texts("urls");
  upstream.ca_file = config.text("ca_file");
  upstream.client_certificate = config.text("client_certificate");
  upstream.client_key = config.text("client_key");
  upstream.username = config.text("username");
  upstream.password_file = config.text("password_file");
  upstream.docker_config = config.text("docker_config");
  if (!registry_proxy::is_registry_name(upstream.registry))
    return absl::InvalidArgumentError(str_cat("upstream.\"", upstream.registry, "\" is not a registry's host or host:port"));
  if (upstream.username.empty() != upstream.password_file.empty())
    return absl::InvalidArgumentError(str_cat("upstream.\"", upstream.registry, "\" needs both username and password_file"));
  if (upstream.client_certificate.empty() != upstream.client_key.empty())
    return absl::InvalidArgumentError(
        str_cat("upstream.\"", upstream.registry, "\" needs both client_certificate and client_key"));
  if (!upstream.username.empty() && !upstream.docker_config.empty())
    return absl::InvalidArgumentError(str_cat("upstream.\"", upstream.registry, "\" has both username and docker_config"));
  for (const std::string& alias : upstream.aliases)
    if (!registry_proxy::is_registry_name(alias))
      return absl::InvalidArgumentError(str_cat("upstream.\"", upstream.registry, "\": the alias \"", alias, "\" is not a host or host:port"));
  return annotate(read_common(config, upstream), str_cat("upstream.\"", upstream.registry, "\""));
}

}  // namespace

namespace {

// Each name may stand for one registry only.
absl::Status check_names(const std::vector<UpstreamConfig>& upstreams) {
  std::set<std::string> names;
  for (const UpstreamConfig& upstream : upstreams) names.insert(upstream.registry);
  for (const UpstreamConfig& upstream : upstreams)
    for (const std::string& alias : upstream.aliases)
      if (!names.insert(alias).second)
        return absl::InvalidArgumentError(str_cat("upstream.\"", upstream.registry, "\": the alias \"", alias,
                                                  "\" is another upstream's name or alias, or given twice"));
  return absl::OkStatus();
}

}  // namespace

absl::Status read_options(Config& config, SiteOptions& options) {
  SAMARA_ASSIGN_OR_RETURN(options.listeners, read_listeners(config));
  options.cache = config.text("cache", options.cache);
  options.mirror.default_registry = config.text("default_registry", options.mirror.default_registry);
  options.conversions.layers_at_once =
      static_cast<std::size_t>(config.number("layers_at_once", static_cast<std::int64_t>(options.conversions.layers_at_once)));
  options.conversions.threads =
      static_cast<std::size_t>(config.number("convert_threads", static_cast<std::int64_t>(options.conversions.threads)));
  options.upstreams.allow_others = config.flag("other_upstreams", options.upstreams.allow_others);

  UpstreamConfig common;
  SAMARA_RETURN_IF_ERROR(read_common(config, common));
  options.upstreams.others = common;
  for (Config* table : config.tables("upstream")) {
    UpstreamConfig upstream = common;
    SAMARA_RETURN_IF_ERROR(read_upstream(*table, upstream));
    options.upstreams.configured.push_back(std::move(upstream));
  }
  SAMARA_RETURN_IF_ERROR(check_names(options.upstreams.configured));
  SAMARA_RETURN_IF_ERROR(read_swarm_options(config.table("swarm"), "0.0.0.0:7703", options.swarm));
  if (options.conversions.layers_at_once < 1 || options.conversions.layers_at_once > 64)
    return absl::InvalidArgumentError("layers_at_once must be from 1 to 64");
  if (options.conversions.threads > 1024) return absl::InvalidArgumentError("convert_threads must be from 0 to 1024");
  return config.finish();
}

}  // namespace samara
