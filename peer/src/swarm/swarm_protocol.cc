#include "peer/swarm_protocol.h"

#include <algorithm>

#include "base/status.h"
#include "base/text.h"
#include "protocol_lines.h"

namespace samara::peer {
namespace {

constexpr std::size_t kMaxTokenBytes = 256;

bool is_token_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == '_';
}

absl::StatusOr<SwarmTicket> decode_ready(const ProtocolLines& lines, std::string_view hashes) {
  SwarmTicket ticket;
  ticket.state = SwarmTicket::State::kReady;
  std::uint64_t port = 0;
  SAMARA_RETURN_IF_ERROR(lines.number("size", ticket.pieces.size));
  SAMARA_RETURN_IF_ERROR(lines.number("seed_port", port));
  ticket.pieces.hashes = hashes;
  SAMARA_RETURN_IF_ERROR(check(ticket.pieces));
  ticket.token = lines.text("token");
  if (port > 65535) return absl::InvalidArgumentError("a swarm's seed_port is no port");
  if (ticket.token.size() > kMaxTokenBytes || !std::all_of(ticket.token.begin(), ticket.token.end(), is_token_character)) {
    return absl::InvalidArgumentError("a swarm's token isn't one");  // it becomes part of a URL
  }
  ticket.seed_port = static_cast<std::uint16_t>(port);
  return ticket;
}

}  // namespace

std::string encode(const SwarmTicket& ticket) {
  if (ticket.state == SwarmTicket::State::kPreparing) return "state preparing\n";
  if (ticket.state == SwarmTicket::State::kNone) return "state none\n";
  return str_cat("state ready\nsize ", ticket.pieces.size, "\nseed_port ", ticket.seed_port, "\ntoken ", ticket.token,
                 "\n\n", ticket.pieces.hashes);
}

absl::StatusOr<SwarmTicket> decode_swarm_ticket(std::string_view text) {
  const std::size_t end = text.find("\n\n");
  const std::string_view head = text.substr(0, end);
  const ProtocolLines lines(head);
  SwarmTicket ticket;
  if (lines.text("state") == "ready" && end != std::string_view::npos) return decode_ready(lines, text.substr(end + 2));
  if (lines.text("state") == "none") return ticket;
  if (lines.text("state") != "preparing") return absl::InvalidArgumentError("a swarm's answer without a known state");
  ticket.state = SwarmTicket::State::kPreparing;
  return ticket;
}

}  // namespace samara::peer
