#include "hosts_file.h"

#include <algorithm>

#include "absl/strings/str_split.h"
#include "base/text.h"
#include "peer/site_protocol.h"
#include "registry_proxy/names.h"

namespace samara::cli {
namespace {

constexpr std::string_view kMark = "# Written by `samara hosts-toml`";

// A basic string of TOML.
std::string quote(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      str_append(&out, "\\u00", std::string(1, kHex[byte >> 4]), std::string(1, kHex[byte & 15]));
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out + "\"";
}

absl::Status check_url(std::string_view url) {
  const std::size_t scheme = url.starts_with("https://") ? 8 : url.starts_with("http://") ? 7 : 0;
  if (scheme != 0 && registry_proxy::is_registry_name(url.substr(scheme))) return absl::OkStatus();
  return absl::InvalidArgumentError(str_cat("\"", url, "\" isn't http(s)://host[:port]"));
}

std::string upstream_of(std::string_view registry) {
  if (registry == "docker.io") return "https://registry-1.docker.io";
  return str_cat("https://", registry);
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines = absl::StrSplit(to_absl(text), '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

// The length of a longest common subsequence of a[i..] and b[j..], for each i and j.
std::vector<std::vector<int>> common_lengths(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  std::vector<std::vector<int>> length(a.size() + 1, std::vector<int>(b.size() + 1, 0));
  for (std::size_t i = a.size(); i-- > 0;)
    for (std::size_t j = b.size(); j-- > 0;)
      length[i][j] = a[i] == b[j] ? length[i + 1][j + 1] + 1 : std::max(length[i + 1][j], length[i][j + 1]);
  return length;
}

// One samara-site.
std::string host_of(const std::string& url, const SiteAccess& site) {
  std::string text = str_cat("\n[host.", quote(url), "]\n  capabilities = [\"pull\", \"resolve\"]\n");
  if (!site.ca_file.empty()) str_append(&text, "  ca = ", quote(site.ca_file), "\n");
  if (!site.cert_file.empty()) str_append(&text, "  client = [[", quote(site.cert_file), ", ", quote(site.key_file), "]]\n");
  if (site.containerd_major >= 2) text += "  dial_timeout = \"1s\"\n";
  if (!site.token.empty())
    str_append(&text, "  [host.", quote(url), ".header]\n    ", peer::kTokenHeader, " = ", quote(site.token), "\n");
  return text;
}

}  // namespace

absl::StatusOr<std::string> hosts_file(std::string_view registry, const SiteAccess& site) {
  const bool is_default = registry == "_default";
  if (!is_default && !registry_proxy::is_registry_name(registry))
    return absl::InvalidArgumentError(str_cat("\"", registry, "\" isn't a registry's host or host:port"));
  if (site.urls.empty()) return absl::InvalidArgumentError("no site is named");
  for (const std::string& each : site.urls)
    if (const absl::Status url = check_url(each); !url.ok()) return url;
  if (const absl::Status node = site.node.empty() ? absl::OkStatus() : check_url(site.node); !node.ok()) return node;
  if (site.cert_file.empty() != site.key_file.empty())
    return absl::InvalidArgumentError("a client certificate needs both its certificate and its key");

  std::string text = str_cat(kMark, "; what is changed by hand is lost when that is run again.\n");
  if (site.only) {
    str_append(&text, "# containerd asks the site and nobody else.\nserver = ", quote(site.urls.back()), "\n");
  } else if (is_default) {
    text += "# Without `server`, containerd asks the registry itself when the site can't help.\n";
  } else {
    str_append(&text, "# Asked when the site can't help.\nserver = ", quote(upstream_of(registry)), "\n");
  }
  if (!site.node.empty()) {
    text += "\n# This node itself: it names images that were warmed here while the site is away, and nothing else.\n";
    str_append(&text, "[host.", quote(site.node), "]\n  capabilities = [\"pull\", \"resolve\"]\n");
  }
  for (const std::string& url : site.urls) text += host_of(url, site);
  return text;
}

bool is_our_hosts_file(std::string_view text) { return text.starts_with(kMark); }

std::vector<std::string> changed_lines(std::string_view before, std::string_view after) {
  const std::vector<std::string> a = lines_of(before), b = lines_of(after);
  const auto length = common_lengths(a, b);
  std::vector<std::string> changes;
  std::size_t i = 0, j = 0;
  while (i < a.size() || j < b.size()) {
    if (i < a.size() && j < b.size() && a[i] == b[j]) {
      ++i, ++j;
    } else if (j == b.size() || (i < a.size() && length[i + 1][j] >= length[i][j + 1])) {
      changes.push_back(str_cat("-", a[i++]));
    } else {
      changes.push_back(str_cat("+", b[j++]));
    }
  }
  return changes;
}

}  // namespace samara::cli
