#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/digest.h"
#include "base/http/message.h"
#include "cache_index/cache.h"

/// How a node tells its site that it lives, and is told what to fetch before anybody asks; docs/site-protocol.md is the
/// whole of it.
///
///   POST /samara/v1/heartbeat?name=…&…                 to_query(Heartbeat); answered by encode(HeartbeatAnswer)
///   GET  /samara/v1/warm/<manifest digest>?node=…      encode(WarmImage), for a node that has an order for that image
namespace samara::peer {

inline constexpr std::string_view kHeartbeatPath = "/samara/v1/heartbeat";
inline constexpr std::string_view kWarmPath = "/samara/v1/warm/";
/// A heartbeat's query is cut to this, so that it fits a request's head: reports that don't fit wait for the next one.
inline constexpr std::size_t kMaxHeartbeatBytes = 48u << 10;
inline constexpr std::size_t kMaxHeartbeatAnswerBytes = 1u << 20;
inline constexpr std::size_t kMostLabels = 64;
inline constexpr std::size_t kMostReports = 256;
inline constexpr std::size_t kMostOrders = 1024;
inline constexpr std::uint64_t kMaxWarmImageBytes = 20u << 20;

/// How much of an image is placed on a node.
enum class WarmLevel {
  kIndex,  ///< what it takes to mount it: manifest, config and the indexes of its layers
  kTrace,  ///< ... and what its containers are known to read while they start
  kFull,   ///< ... and everything else
};
std::string_view to_string(WarmLevel level);
absl::StatusOr<WarmLevel> parse_warm_level(std::string_view text);  ///< InvalidArgument

/// One piece of work for a node. Two jobs that want the same give the same task.
struct WarmTask {
  Digest manifest;  ///< of the image, for one platform
  WarmLevel level = WarmLevel::kFull;
  bool look = false;  ///< only say how much of it is missing
  auto operator<=>(const WarmTask&) const = default;
};

/// What a node is to do; it is listed in every answer until the node has reported its end.
struct WarmOrder {
  WarmTask task;
  std::uint64_t pin_until = 0;  ///< seconds since the epoch; 0: it isn't kept from eviction afterwards
  bool operator==(const WarmOrder&) const = default;
};

/// How far a node is with a task.
struct WarmReport {
  enum class State {
    kWaiting,    ///< other tasks come first
    kFetching,
    kVerifying,  ///< everything is here; each chunk is read and compared with its digest
    kVerified,   ///< the end; of a look: `total` was looked for, `done` of it is here
    kFailed,     ///< the end, until the site asks again
  };
  WarmTask task;
  State state = State::kWaiting;
  std::uint64_t done = 0, total = 0;  ///< compressed bytes
  std::string error;                  ///< of kFailed; at most 512 bytes, one line
  bool is_final() const { return state == State::kVerified || state == State::kFailed; }
  bool operator==(const WarmReport&) const = default;
};
std::string_view to_string(WarmReport::State state);

/// What a node says of itself.
struct Heartbeat {
  std::string name;     ///< of the node: 1 to 253 of A-Z a-z 0-9 . _ -
  std::string site;     ///< of the node's site; empty: of the site that is told
  std::string version;  ///< of samara-node
  std::map<std::string, std::string> labels;  ///< keys and values of A-Z a-z 0-9 . _ - /, at most 63 bytes each
  std::uint64_t disk_used = 0;    ///< by its cache
  std::uint64_t disk_limit = 0;   ///< that the cache may reach; 0: no limit
  std::uint64_t disk_pinned = 0;  ///< of disk_used, that no eviction takes
  std::uint64_t layers = 0;       ///< in its mount
  std::uint64_t slow_reads = 0;   ///< since it started, of those remembered
  std::uint64_t slowest_read_ms = 0;  ///< of those
  std::uint64_t waiting_reads = 0;
  std::uint64_t starts = 0;            ///< of containers, since it started, whose reads have settled
  std::uint64_t start_ms = 0;          ///< the median of the last of them, until their reads settled
  std::uint64_t longest_start_ms = 0;  ///< of the same
  std::uint64_t from_site = 0, from_swarm = 0, from_neighbours = 0;  ///< bytes fetched since it started
  std::vector<WarmReport> reports;  ///< of every task that it was told to do in the last answer
};

/// Is this a node's or a site's name?
bool is_node_name(std::string_view name);

/// "?name=…&…". As many reports as `most` bytes allow.
std::string to_query(const Heartbeat& heartbeat, std::size_t most = kMaxHeartbeatBytes);
/// InvalidArgument, naming what is wrong. Unknown keys are ignored.
absl::StatusOr<Heartbeat> heartbeat_from(const http::Target& target);

/// What the site says to it.
struct HeartbeatAnswer {
  std::chrono::milliseconds beat{3'000};  ///< until the next heartbeat; 100 ms to 10 min
  std::vector<WarmOrder> orders;        ///< all that this node has: what isn't listed any more is dropped
};
/// "key value" lines, an empty line, then an order a line.
std::string encode(const HeartbeatAnswer& answer);
absl::StatusOr<HeartbeatAnswer> decode_heartbeat_answer(std::string_view text);

/// What a node needs to place an image.
struct WarmImage {
  struct Layer {
    cache_index::LayerRecord record;  ///< null index and blob: not converted yet
    Digest diff_id;
    bool converted() const { return !record.index.is_null(); }
  };
  std::string name;         ///< "docker.io/library/python:3.12", as it was asked for
  std::string registry;     ///< "docker.io"
  std::string repository;   ///< "library/python"
  std::string media_type;   ///< of the manifest
  Digest digest;            ///< of the manifest
  std::string manifest;     ///< verbatim
  std::string config;       ///< verbatim; the manifest names its digest
  std::vector<Layer> layers;  ///< bottom first
  /// Where the name is of an index (a manifest list): verbatim, so that the name can be answered without the site.
  std::string index;
  std::string index_media_type;
  std::uint64_t trace_bytes = 0;  ///< compressed, of what starts read; 0: not known

  std::vector<Digest> diff_ids() const;
};
/// "key value" lines, an empty line, a layer a line, an empty line, then the raw manifest, config and index.
std::string encode(const WarmImage& image);
absl::StatusOr<WarmImage> decode_warm_image(std::string_view text);

}  // namespace samara::peer
