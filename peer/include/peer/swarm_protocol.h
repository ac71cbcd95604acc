#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "peer/torrent.h"

/// How a node gets into a blob's swarm; docs/site-protocol.md is the whole of it.
///
///   GET /samara/v1/swarm/<blob digest>                      a SwarmTicket
///   GET /samara/v1/announce?token=…&info_hash=…&port=…      BEP 3, BEP 7, BEP 23: the site's tracker
///   GET /samara/v1/scrape?token=…&info_hash=…               BEP 48
namespace samara::peer {

inline constexpr std::string_view kSwarmPath = "/samara/v1/swarm/";
inline constexpr std::string_view kAnnouncePath = "/samara/v1/announce";
inline constexpr std::string_view kScrapePath = "/samara/v1/scrape";
/// A longer answer is refused: it would be of a blob over 4 TiB.
inline constexpr std::uint64_t kMaxTicketBytes = 160u << 20;

/// What a site gives a node that wants to share a blob.
struct SwarmTicket {
  enum class State {
    kReady,
    kPreparing,  ///< the site has the blob and hashes its pieces: ask again in a second
    kNone,       ///< the site doesn't share it (it hasn't got all of it, or it is too small)
  };
  State state = State::kNone;
  // Of kReady:
  BlobPieces pieces;
  std::string token;            ///< for the tracker: of this node, this blob, and for some time
  std::uint16_t seed_port = 0;  ///< where the site's own seed listens, on the host that was asked
};

/// "key value" lines; of kReady an empty line and the raw piece hashes behind them.
std::string encode(const SwarmTicket& ticket);
/// InvalidArgument for what isn't one; unknown keys are ignored.
absl::StatusOr<SwarmTicket> decode_swarm_ticket(std::string_view text);

}  // namespace samara::peer
