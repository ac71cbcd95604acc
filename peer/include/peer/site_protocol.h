#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/digest.h"
#include "cache_index/cache.h"

/// What nodes and sites say to each other over HTTP; docs/site-protocol.md is the whole of it.
///
///   GET /samara/v1/layers/<layer digest>?ns=<registry>&repo=<repository>&wait=<ms>&size=<bytes>
///        What the site knows of the layer; asks for its conversion if it isn't converted. With `wait`, the answer
///        comes when the layer is converted, or has failed, or after that time. Body: encode(LayerStatus).
///   GET|HEAD /samara/v1/objects/<digest>      with Range: an index or a blob.
namespace samara::peer {

inline constexpr std::string_view kLayersPath = "/samara/v1/layers/";
inline constexpr std::string_view kObjectsPath = "/samara/v1/objects/";
/// Who asks, where the site lets in those with a token. It leaves Authorization to what a client shows a registry.
inline constexpr std::string_view kTokenHeader = "Samara-Token";
/// How badly somebody wants a range: a FetchClass by its name; absent: he waits for it.
inline constexpr std::string_view kClassHeader = "Samara-Class";
/// "neighbours": whoever asks has others to ask as well, so it needn't wait here for what is on its way (peer/seats.h).
inline constexpr std::string_view kOthersHeader = "Samara-Others";
/// A status that claims a larger index is refused.
inline constexpr std::uint64_t kMaxIndexBytes = 1u << 30;

/// What a site says of a layer.
struct LayerStatus {
  enum class State { kConverted, kConverting, kFailed, kUnknown };
  State state = State::kUnknown;
  cache_index::LayerRecord record;        ///< of kConverted
  std::uint64_t bytes_done = 0;           ///< of kConverting: compressed bytes converted so far
  std::uint64_t bytes_total = 0;          ///< of kConverting; 0 when not known
  std::string error;                      ///< of kFailed
};

/// "key value" lines; an error's text is cut and made one line.
std::string encode(const LayerStatus& status);
/// InvalidArgument for what isn't one; unknown keys are ignored.
absl::StatusOr<LayerStatus> decode_layer_status(std::string_view text);

}  // namespace samara::peer
