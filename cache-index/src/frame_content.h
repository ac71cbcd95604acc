#pragma once

#include <cstdint>
#include <span>

#include "absl/status/status.h"

namespace samara::cache_index {

/// How every zstd frame of this format version is made. Part of the index header: other parameters give another blob
/// for the same tar. Matches of 4 bytes instead of the level's 5 make blobs about 1 % smaller and cost 5 % of the
/// speed; the next level costs 40 %.
inline constexpr int kZstdLevel = 3;
inline constexpr int kZstdMinMatch = 4;
/// Level of the framing, which is small beside the data.
inline constexpr int kFramingZstdLevel = 3;
/// ZSTD_versionNumber() of the library that compresses here; another release may give other frames.
std::uint32_t zstd_version();

/// Decompresses the frame into `out`, which it must fill exactly; DataLoss otherwise. No digest is checked.
/// Threads: any; each keeps a decompression context of its own.
absl::Status decompress_frame(std::span<const std::uint8_t> frame, std::span<std::uint8_t> out);

}  // namespace samara::cache_index
