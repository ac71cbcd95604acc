#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "base/digest.h"
#include "cache_index/store.h"

namespace samara::cache_index {

/// What becomes of rows of an older format: nothing in a cache can't be had again.
enum class OlderFormat { kBeginAnew, kRefuse };
/// Writes the format version into a new database and compares it in an old one.
/// Errors: FailedPrecondition (newer than this program, or older and refused), DataLoss.
absl::Status check_format(Store& store, std::string_view root, OlderFormat older);

/// DataLoss when the first `size` bytes of the file hash to something else.
absl::Status check_file(const Digest& digest, int fd, std::uint64_t size);

}  // namespace samara::cache_index
