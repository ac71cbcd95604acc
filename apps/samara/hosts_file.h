#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace samara::cli {

/// What containerd is to know of the site, and of each of its samara-sites if there are several.
struct SiteAccess {
  std::vector<std::string> urls{"http://127.0.0.1:7700"};  ///< http(s)://host[:port], asked in this order
  std::string ca_file{};                      ///< PEM, when the site has a private CA
  std::string cert_file{}, key_file{};        ///< of the client, when the site wants one
  std::string token{};                        ///< sent as Samara-Token, so that Authorization stays the registry's
  bool only = false;                          ///< never ask the registry itself
  std::string node{};                         ///< samara-node's `listen`, as a URL: asked first, for what was warmed here
  int containerd_major = 1;                   ///< 2 knows dial_timeout
};

/// The hosts.toml for one registry ("_default": for every registry without an entry of its own). It begins with a line
/// that tells whose file it is.
/// Errors: InvalidArgument (registry, URL, half a client certificate).
/// Source: containerd's docs/hosts.md.
absl::StatusOr<std::string> hosts_file(std::string_view registry, const SiteAccess& site);

/// Was this text written by hosts_file()?
bool is_our_hosts_file(std::string_view text);

/// What changes between two texts, a line each: "-old" and "+new".
std::vector<std::string> changed_lines(std::string_view before, std::string_view after);

}  // namespace samara::cli
