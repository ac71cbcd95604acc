#include "options.h"

#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_options.h"

namespace samara {
namespace {

/// The site gives each piece to a few nodes, which give it to the rest; without a limit it would give most nodes most
/// pieces, and starts would wait behind that (tests/simulation/README.md).
constexpr std::size_t kUploadSlots = 4;

using registry_proxy::ConvertPolicy;
using registry_proxy::Share;
using registry_proxy::UpstreamConfig;
using registry_proxy::WhenAway;

template <typename Value>
using Choices = std::vector<std::pair<std::string_view, Value>>;

// Reads an option that is one of a few words. `value`: what holds without it.
template <typename Value>
absl::Status read_choice(Config& config, std::string_view key, const Choices<Value>& choices, Value& value) {
  std::string fallback, words;
  for (const auto& [word, meaning] : choices) {
    if (meaning == value) fallback = word;
    str_append(&words, words.empty() ? "" : ", ", "\"", word, "\"");
  }
  const std::string text = config.text(key, fallback);
  for (const auto& [word, meaning] : choices)
    if (word == text) {
      value = meaning;
      return absl::OkStatus();
    }
  return absl::InvalidArgumentError(str_cat(key, " must be one of ", words, ", not \"", text, "\""));
}

// Who may read what is kept.
absl::Status read_access(Config& config, UpstreamConfig& upstream) {
  const Choices<Share> shares = {
      {"everyone", Share::kEveryone}, {"entitled", Share::kEntitled}, {"unchecked", Share::kUnchecked}};
  const Choices<WhenAway> policies = {
      {"serve-granted", WhenAway::kServeGranted}, {"refuse", WhenAway::kRefuse}, {"serve", WhenAway::kServe}};
  SAMARA_RETURN_IF_ERROR(read_choice(config, "share", shares, upstream.share));
  SAMARA_RETURN_IF_ERROR(read_choice(config, "when_away", policies, upstream.when_away));
  upstream.grant_ttl = config.duration("grant_ttl", upstream.grant_ttl);
  upstream.grant_stale = config.duration("grant_stale", upstream.grant_stale);
  return absl::OkStatus();
}

// What an upstream and the defaults for all have in common.
absl::Status read_common(Config& config, UpstreamConfig& upstream) {
  const Choices<ConvertPolicy> policies = {
      {"on-pull", ConvertPolicy::kOnPull}, {"on-request", ConvertPolicy::kOnRequest}, {"never", ConvertPolicy::kNever}};
  SAMARA_RETURN_IF_ERROR(read_choice(config, "convert", policies, upstream.convert));
  upstream.connect_timeout = config.duration("connect_timeout", upstream.connect_timeout);
  upstream.idle_timeout = config.duration("idle_timeout", upstream.idle_timeout);
  SAMARA_RETURN_IF_ERROR(read_access(config, upstream));
  upstream.tag_ttl = config.duration("tag_ttl", upstream.tag_ttl);
  upstream.stale_for = config.duration("stale_for", upstream.stale_for);
  upstream.patience = config.duration("patience", upstream.patience);
  upstream.failed_behind = config.duration("failed_behind", upstream.failed_behind);
  upstream.longest_backoff = config.duration("longest_backoff", upstream.longest_backoff);
  return absl::OkStatus();
}

// "<client> <repositories>"
absl::Status read_readers(Config& config, UpstreamConfig& upstream) {
  for (const std::string& text : config.texts("readers")) {
    const std::vector<std::string> words = absl::StrSplit(text, ' ', absl::SkipEmpty());
    if (words.size() != 2 || words[1].find('*') < words[1].size() - 1)
      return absl::InvalidArgumentError(
          str_cat("\"", text, "\" in readers isn't a client and a repository, \"ci team/app\", or \"team/*\" for all below team"));
    upstream.readers.push_back({words[0], words[1]});
  }
  return absl::OkStatus();
}

absl::Status read_upstream(Config& config, UpstreamConfig& upstream) {
  upstream.registry = config.key();
  upstream.aliases = config.texts("aliases");
  upstream.hosts = config.texts("hosts");
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
  for (const std::string& host : upstream.hosts)
    if (!registry_proxy::is_registry_name(host))
      return absl::InvalidArgumentError(str_cat("upstream.\"", upstream.registry, "\": \"", host, "\" in hosts is not a host or host:port"));
  SAMARA_RETURN_IF_ERROR(annotate(read_readers(config, upstream), str_cat("upstream.\"", upstream.registry, "\"")));
  return annotate(read_common(config, upstream), str_cat("upstream.\"", upstream.registry, "\""));
}

// Each name, and each host, may stand for one registry only.
absl::Status check_names(const std::vector<UpstreamConfig>& upstreams) {
  std::set<std::string> names, hosts;
  for (const UpstreamConfig& upstream : upstreams) names.insert(upstream.registry);
  for (const UpstreamConfig& upstream : upstreams)
    for (const std::string& host : upstream.hosts)
      if (!hosts.insert(absl::AsciiStrToLower(host)).second)
        return absl::InvalidArgumentError(str_cat("upstream.\"", upstream.registry, "\": the host \"", host,
                                                  "\" stands for another upstream too, or is given twice"));
  for (const UpstreamConfig& upstream : upstreams)
    for (const std::string& alias : upstream.aliases)
      if (!names.insert(alias).second)
        return absl::InvalidArgumentError(str_cat("upstream.\"", upstream.registry, "\": the alias \"", alias,
                                                  "\" is another upstream's name or alias, or given twice"));
  return absl::OkStatus();
}

/// Where nodes show certificates to the site, it has one that it can show them in the swarm.
http::PeerCertificateFiles shown_to_nodes(const std::vector<ListenerOptions>& listeners) {
  for (const ListenerOptions& listener : listeners) {
    if (!listener.access.certificates) continue;
    const http::TlsOptions& tls = *listener.server.tls;
    return {.authority = tls.client_ca, .certificate = tls.certificate, .key = tls.key};
  }
  return {};
}

}  // namespace

absl::Status read_options(Config& config, SiteOptions& options) {
  SAMARA_ASSIGN_OR_RETURN(options.listeners, read_listeners(config));
  options.root = config.text("root", options.root);
  SAMARA_RETURN_IF_ERROR(read_cache_limits(config, options.cache_limits));
  options.mirror.ask_to_log_in = config.flag("ask_to_log_in", options.mirror.ask_to_log_in);
  options.mirror.default_registry = config.text("default_registry", options.mirror.default_registry);
  options.conversions.layers_at_once =
      static_cast<std::size_t>(config.number("layers_at_once", static_cast<std::int64_t>(options.conversions.layers_at_once)));
  options.conversions.threads =
      static_cast<std::size_t>(config.number("convert_threads", static_cast<std::int64_t>(options.conversions.threads)));
  options.upstreams.allow_others = config.flag("other_upstreams", options.upstreams.allow_others);

  UpstreamConfig common;
  // Who isn't known to the site isn't meant by a credential that was given to the site.
  for (const ListenerOptions& listener : options.listeners)
    if (listener.access.open && !http::is_loopback(listener.server.listen)) common.share = Share::kEntitled;
  SAMARA_RETURN_IF_ERROR(read_common(config, common));
  options.upstreams.others = common;
  for (Config* table : config.tables("upstream")) {
    UpstreamConfig upstream = common;
    SAMARA_RETURN_IF_ERROR(read_upstream(*table, upstream));
    options.upstreams.configured.push_back(std::move(upstream));
  }
  SAMARA_RETURN_IF_ERROR(check_names(options.upstreams.configured));
  options.swarm.swarm.upload_slots = kUploadSlots;
  SAMARA_RETURN_IF_ERROR(read_swarm_options(config.table("swarm"), "0.0.0.0:7703", shown_to_nodes(options.listeners), options.swarm));
  SAMARA_RETURN_IF_ERROR(read_parent_options(config.table("parent"), options.parent));
  SAMARA_RETURN_IF_ERROR(read_standby_options(config.table("standbys"), options.standbys));
  SAMARA_RETURN_IF_ERROR(read_seed_options(config, options.seed));
  if (options.conversions.layers_at_once < 1 || options.conversions.layers_at_once > 64)
    return absl::InvalidArgumentError("layers_at_once must be from 1 to 64");
  if (options.conversions.threads > 1024) return absl::InvalidArgumentError("convert_threads must be from 0 to 1024");
  return config.finish();
}

}  // namespace samara
