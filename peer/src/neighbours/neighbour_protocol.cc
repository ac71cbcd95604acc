#include "peer/neighbour_protocol.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "absl/strings/escaping.h"
#include "base/status.h"
#include "base/text.h"
#include "protocol_lines.h"

namespace samara::peer {
namespace {

constexpr std::uint64_t kLongestInterval = 3600;  // seconds

std::string message(const Digest& blob, std::string_view address, std::int64_t until) {
  return str_cat("samara neighbour\n", until, "\n", address, "\n", blob.to_string());
}

bool is_hex(std::string_view text) { return text.find_first_not_of("0123456789abcdef") == std::string_view::npos; }

bool is_numeric(const std::string& address) {
  in6_addr bytes{};
  return ::inet_pton(AF_INET6, address.c_str(), &bytes) == 1 || ::inet_pton(AF_INET, address.c_str(), &bytes) == 1;
}

/// Where the port begins in "http://host:port", and the number it is.
struct Port {
  std::string_view scheme;  // "http://"
  std::string_view host;
  std::uint16_t number = 0;
};

absl::StatusOr<Port> port_of(std::string_view url) {
  Port port;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (url.starts_with(scheme)) port.scheme = url.substr(0, scheme.size());
  }
  const std::size_t colon = url.rfind(':');
  const auto wrong = [&] { return absl::InvalidArgumentError(str_cat("not the URL of a node: ", url.substr(0, 80))); };
  if (port.scheme.empty() || colon < port.scheme.size()) return wrong();
  port.host = url.substr(port.scheme.size(), colon - port.scheme.size());
  const std::string_view digits = url.substr(colon + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port.number);
  if (error != std::errc() || end != digits.data() + digits.size() || port.number == 0) return wrong();
  return port;
}

absl::Status check_url(std::string_view url) {
  SAMARA_ASSIGN_OR_RETURN(const Port port, port_of(url));
  std::string host(port.host);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (is_numeric(host)) return absl::OkStatus();
  return absl::InvalidArgumentError(str_cat("not a numeric address: ", url.substr(0, 80)));
}

}  // namespace

std::string encode(const NeighbourList& list) {
  std::string text = str_cat("key ", absl::BytesToHexString(to_absl(list.public_key)), "\nticket ", list.ticket,
                             "\nself ", list.self, "\nask_again ", list.ask_again.count(), "\n\n");
  for (const std::string& url : list.urls) str_append(&text, url, "\n");
  return text;
}

absl::StatusOr<NeighbourList> decode_neighbour_list(std::string_view text) {
  const std::size_t empty_line = text.find("\n\n");
  if (empty_line == std::string_view::npos) return absl::InvalidArgumentError("a list of neighbours without an end");
  const ProtocolLines lines(text.substr(0, empty_line));
  NeighbourList list;
  const std::string_view key = lines.text("key");
  if (key.size() != 2 * cache_index::kPublicKeyBytes || !is_hex(key)) {
    return absl::InvalidArgumentError("a list of neighbours without the site's key");
  }
  list.public_key = absl::HexStringToBytes(to_absl(key));
  list.ticket = lines.text("ticket");
  list.self = lines.text("self");
  SAMARA_RETURN_IF_ERROR(check_url(list.self));
  std::uint64_t seconds = 0;
  SAMARA_RETURN_IF_ERROR(lines.number("ask_again", seconds));
  list.ask_again = std::chrono::seconds(std::clamp<std::uint64_t>(seconds, 1, kLongestInterval));

  for (text.remove_prefix(empty_line + 2); !text.empty() && list.urls.size() < kMostNeighbours;) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    SAMARA_RETURN_IF_ERROR(check_url(line));
    list.urls.emplace_back(line);
  }
  return list;
}

absl::StatusOr<std::string> neighbour_url(std::string_view url, std::string_view address) {
  SAMARA_ASSIGN_OR_RETURN(const Port port, port_of(url));
  const bool v6 = address.find(':') != std::string_view::npos;
  std::string made = str_cat(port.scheme, v6 ? "[" : "", address, v6 ? "]" : "", ":", port.number);
  SAMARA_RETURN_IF_ERROR(check_url(made));
  return made;
}

std::string sign_ticket(const cache_index::SigningKey& key, const Digest& blob, std::string_view address,
                        std::chrono::sys_seconds until) {
  const std::int64_t seconds = until.time_since_epoch().count();
  return str_cat(seconds, ".", absl::BytesToHexString(key.sign(message(blob, address, seconds))));
}

absl::Status check_ticket(std::string_view ticket, const std::vector<std::string>& public_keys, const Digest& blob,
                          std::string_view address, std::chrono::sys_seconds now) {
  const std::size_t dot = std::min(ticket.find('.'), ticket.size());
  const std::string_view hex = ticket.substr(std::min(dot + 1, ticket.size()));
  std::int64_t until = 0;
  const auto [end, error] = std::from_chars(ticket.data(), ticket.data() + dot, until);
  if (error != std::errc() || end != ticket.data() + dot || hex.size() != 2 * cache_index::kSignatureBytes || !is_hex(hex)) {
    return absl::PermissionDeniedError("not a ticket");
  }
  if (now.time_since_epoch().count() > until) return absl::PermissionDeniedError("the ticket has run out");
  const std::string signature = absl::HexStringToBytes(to_absl(hex)), said = message(blob, address, until);
  const bool known = std::any_of(public_keys.begin(), public_keys.end(), [&](const std::string& key) {
    return cache_index::is_signed(key, said, signature);
  });
  if (known) return absl::OkStatus();
  return absl::PermissionDeniedError("not a ticket of this site for this node and blob");
}

}  // namespace samara::peer
