// Any bytes as a site's answer about a swarm: what is accepted is one, and comes out the same again.
#include <cstdlib>

#include "base/file.h"
#include "peer/swarm_protocol.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace samara;
  const auto ticket = peer::decode_swarm_ticket(as_text({data, size}));
  if (!ticket.ok()) return 0;
  if (ticket->state == peer::SwarmTicket::State::kReady && !peer::check(ticket->pieces).ok()) std::abort();
  const auto again = peer::decode_swarm_ticket(peer::encode(*ticket));
  if (!again.ok() || again->token != ticket->token || again->pieces != ticket->pieces) std::abort();
  return 0;
}
