#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "absl/status/statusor.h"

namespace samara::cache_index {

/// How every zstd frame of this format version is made. Part of the index header: other parameters give another blob
/// for the same tar. All are given, so that no table of the library's has a say: it is the strategy of level 3 with
/// small tables, which make blobs 3 % larger and compress 1.5 times as fast. docs/defaults.md has what was compared.
struct FrameParameters {
  std::uint8_t strategy, min_match, hash_log, chain_log;
};
inline constexpr FrameParameters kFrameParameters{.strategy = 2, .min_match = 5, .hash_log = 14, .chain_log = 12};
inline constexpr int kFrameWindowLog = 20;  ///< the largest chunk
/// Level of the framing, which is small beside the data.
inline constexpr int kFramingZstdLevel = 3;
/// ZSTD_versionNumber() of the library that compresses here; another release may give other frames.
std::uint32_t zstd_version();

/// Decompresses the frame into `out`, which it must fill exactly; DataLoss otherwise. No digest is checked.
/// Threads: any; each keeps a decompression context of its own.
absl::Status decompress_frame(std::span<const std::uint8_t> frame, std::span<std::uint8_t> out);
/// The same into a string of `size` bytes, at most kMaxChunkBytes.
absl::StatusOr<std::string> unpack_frame(std::uint32_t size, std::span<const std::uint8_t> frame);

}  // namespace samara::cache_index
