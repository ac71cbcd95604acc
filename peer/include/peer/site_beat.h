#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/http/message.h"
#include "peer/warm_protocol.h"

/// How a site's seed tells the seed of its parent site of its nodes, and is told what they are to fetch;
/// docs/site-protocol.md is the whole of it.
///
///   POST /samara/v1/heartbeat/site?name=…&…     to_query(SiteBeat); answered by encode(SiteBeatAnswer)
namespace samara::peer {

inline constexpr std::string_view kSiteBeatPath = "/samara/v1/heartbeat/site";
inline constexpr std::size_t kMostBeatNodes = 1024;  ///< in one site's heartbeat, of each kind
inline constexpr std::size_t kMaxRelayedBytes = 12u << 10;  ///< of one node in it, before it is encoded
inline constexpr std::size_t kMaxSiteBeatAnswerBytes = 4u << 20;

/// Is this what a node is called above its own site: "node-1", "edge-1/node-1", at most four sites deep?
bool is_far_name(std::string_view name);

/// What a site says of itself, of the link to the site that it tells, and of some of its nodes.
struct SiteBeat {
  struct Node {
    std::string name;     ///< as the site calls it; "sub/node-1" of a site below it
    std::string address;  ///< numeric, as the site sees it
    Heartbeat beat;       ///< its name is the last part of `name`; its site is named where it isn't the site that tells
  };
  /// The site's own name, version and disk. Its reports are looks: what the site has (`done`) of all that an image's
  /// blobs and indexes take (`total`), whatever the level.
  Heartbeat self;
  std::uint64_t link_rate = 0;   ///< bytes a second that the background may take; 0: no limit
  std::uint64_t link_day = 0;    ///< bytes a day; 0: no limit
  std::uint64_t link_today = 0;  ///< of those, carried today (UTC)
  std::vector<Node> nodes;
  std::vector<std::string> same;  ///< nodes of which nothing has changed since they were told last
};

/// "?name=…&…". Errors aren't possible: whoever fills it in keeps to the limits, see relayed_size().
std::string to_query(const SiteBeat& beat);
/// Bytes that a node adds to the query.
std::size_t relayed_size(const SiteBeat::Node& node);
/// InvalidArgument, naming what is wrong. Unknown keys are ignored.
absl::StatusOr<SiteBeat> site_beat_from(const http::Target& target);

/// What the parent's seed says to it.
struct SiteBeatAnswer {
  std::chrono::milliseconds beat{5'000};
  /// Another one after each start: whoever was told `same` knows nothing of what was told before.
  std::uint64_t epoch = 0;
  /// By node, of every node of that site that has any: what isn't listed any more is dropped.
  std::map<std::string, std::vector<WarmOrder>> orders;
};
/// "key value" lines, an empty line, then "<order> <node>,<node>,…" a line.
std::string encode(const SiteBeatAnswer& answer);
absl::StatusOr<SiteBeatAnswer> decode_site_beat_answer(std::string_view text);

}  // namespace samara::peer
