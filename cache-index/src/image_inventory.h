#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "cache_index/cache.h"
#include "cache_index/image_cache.h"

namespace samara::cache_index {

/// Looks at what of these images is here: opens each layer's index and asks for the row of each of its chunks. 24 bytes
/// of memory a chunk and image.
/// Errors: those of the cache's rows. An index that can't be read counts as one that isn't here.
absl::StatusOr<std::vector<ImageState>> take_inventory(const Cache& cache, std::vector<ImageContents> images);

}  // namespace samara::cache_index
