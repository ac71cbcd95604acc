#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/digest.h"

/// What containers of an image read while they start. Nodes record it and tell their site, which merges what they say
/// and tells the next node; docs/site-protocol.md is the whole of it.
///
///   GET  /samara/v1/traces/<chainID>                            encode(StartTrace), 404 when nothing is known
///   POST /samara/v1/traces/<chainID>?layers=…&read=…&unused=…&files=…   one start, as to_query() says it
namespace samara::peer {

inline constexpr std::string_view kTracesPath = "/samara/v1/traces/";
/// A longer text isn't read, so that a report fits a request's head; encode() leaves out what would exceed it.
inline constexpr std::size_t kMaxTraceBytes = 48u << 10;
inline constexpr std::size_t kMaxTraceChunks = 4096;
inline constexpr std::size_t kMaxTraceFiles = 4096;
inline constexpr std::size_t kMaxTraceLayers = 256;

/// The chainID of a layer on top of `parent` (nullopt: of a bottom layer).
/// Source: OCI Image Specification v1.1, config.md, "Layer ChainID".
Digest chain_id(const std::optional<Digest>& parent, const Digest& diff_id);
/// Of a whole image; `diff_ids` bottom first, not empty.
Digest chain_id(const std::vector<Digest>& diff_ids);

/// Of one start (starts = 1: what was read, and what was fetched ahead for nothing) or of many, merged.
struct StartTrace {
  using Chunk = std::pair<Digest, std::uint32_t>;  ///< diffID and position in that layer
  using File = std::pair<Digest, std::uint32_t>;   ///< diffID and inode number in that layer

  std::uint32_t starts = 0;
  std::vector<Digest> layers;  ///< diffIDs, bottom first; of a whole image they make its chainID
  std::vector<Chunk> chunks;   ///< in the order in which they were first read, each once
  std::set<Chunk> unused;      ///< of one start: fetched and not read; of many: so the last time (and in `chunks`)
  std::vector<File> files{};   ///< looked up or read, of any kind, in the order in which they first were, each once
  std::string image;           ///< for people; empty where nobody knows
};

/// Adds one start. What it read besides comes last; what two starts in a row had fetched for nothing is dropped, so that
/// a wrong trace costs its bytes twice at most.
void merge(StartTrace& trace, const StartTrace& start);

/// Lines of "key value", at most kMaxTraceBytes: `starts`, `layers` (digests), `read` and `unused` (chunks as
/// "<place in layers>:<position>" or "…:<first>-<last>", with commas between), `files` (likewise), `image`.
std::string encode(const StartTrace& trace);
/// InvalidArgument for what isn't one or exceeds the limits above; unknown keys are ignored.
absl::StatusOr<StartTrace> decode_start_trace(std::string_view text);

/// "?layers=…&read=…&unused=…&files=…", with as much of it as kMaxTraceBytes allow.
std::string to_query(const StartTrace& start);
/// From what a request has as values of those keys ("" where it has none). InvalidArgument.
absl::StatusOr<StartTrace> from_query(const std::function<std::string_view(std::string_view key)>& value);

}  // namespace samara::peer
