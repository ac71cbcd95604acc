#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/digest.h"
#include "cache_index/store.h"
#include "peer/warm_protocol.h"

/// What a node remembers of the images that were warmed on it, so that it can name them without a site. Table
/// "warm_images":
///   "<registry>/<repository>:<tag>"    -> "<digest>"          what the tag named
///   "<digest>"                         -> "<media type>"      of a manifest or an index, "config" of a config
///   The bytes are objects of the cache.
namespace samara::snapshotter {

inline constexpr std::string_view kWarmTable = "warm_images";
inline constexpr std::string_view kConfigType = "config";

std::vector<cache_index::Store::Change> warm_rows(const peer::WarmImage& image);
/// NotFound.
absl::StatusOr<Digest> warm_tag(const cache_index::Store& store, std::string_view registry, std::string_view repository,
                                std::string_view tag);
absl::StatusOr<std::string> warm_media_type(const cache_index::Store& store, const Digest& digest);

}  // namespace samara::snapshotter
