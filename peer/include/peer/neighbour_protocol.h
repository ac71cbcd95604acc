#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/digest.h"
#include "cache_index/signature.h"

/// How nodes of one site learn of each other, and why one gives bytes to another; docs/site-protocol.md is the whole.
///
///   site:  GET /samara/v1/neighbours/<blob digest>?url=<own URL>     a NeighbourList
///   node:  GET|HEAD /samara/v1/objects/<blob digest>                 with Range and Samara-Ticket: a range of the blob
namespace samara::peer {

inline constexpr std::string_view kNeighboursPath = "/samara/v1/neighbours/";
inline constexpr std::string_view kTicketHeader = "Samara-Ticket";
/// A longer answer is refused; kMostNeighbours need less.
inline constexpr std::uint64_t kMaxNeighbourListBytes = 256u << 10;
/// That a site names of one blob: of more nodes, everybody is told the same ones.
inline constexpr std::size_t kMostNeighbours = 1024;

/// What a site tells a node that wants to read a blob.
struct NeighbourList {
  std::string public_key;              ///< of the site, kPublicKeyBytes: tickets that it signed are good
  std::string ticket;                  ///< leave for the node that asked to read this blob
  std::string self;                    ///< the URL of the node that asked, as the others see it
  std::chrono::seconds ask_again{30};  ///< 1 s to 1 h
  std::vector<std::string> urls;       ///< "http://10.0.0.1:7703" of those who want the blob too, the asker among them
};

/// "key value" lines, then an empty line, then a URL a line.
std::string encode(const NeighbourList& list);
/// InvalidArgument for what isn't one, a URL of something else than a numeric address and a port included; unknown keys
/// are ignored.
absl::StatusOr<NeighbourList> decode_neighbour_list(std::string_view text);

/// The scheme and the port that a node gives itself in `url`, with the numeric `address` that its request came from: the
/// URL that others may ask. InvalidArgument for what isn't "http://…:PORT" or "https://…:PORT".
absl::StatusOr<std::string> neighbour_url(std::string_view url, std::string_view address);

/// Leave for the node at `address` to read `blob` until then: "<seconds since the epoch>.<signature, hex>".
std::string sign_ticket(const cache_index::SigningKey& key, const Digest& blob, std::string_view address,
                        std::chrono::sys_seconds until);
/// PermissionDenied unless one of `public_keys` signed it for this blob and address, and it hasn't run out.
absl::Status check_ticket(std::string_view ticket, const std::vector<std::string>& public_keys, const Digest& blob,
                          std::string_view address, std::chrono::sys_seconds now);

}  // namespace samara::peer
