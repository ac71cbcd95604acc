#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "base/byte_stream.h"
#include "base/digest.h"
#include "base/thread_pool.h"
#include "cache_index/layer_writer.h"

namespace samara::convert {

/// How far a conversion is; read by others while it runs.
struct Progress {
  std::atomic<std::uint64_t> compressed_bytes{0};
  std::atomic<std::uint64_t> tar_bytes{0};
};

struct ConvertedLayer {
  cache_index::LayerWriter::Written written;
  Digest layer;                  ///< SHA-256 of the bytes that came in
  std::uint64_t layer_size = 0;  ///< how many those were
};

/// Converts one layer while it streams in: gzip (several members too), zstd (several frames too) or plain tar, told by
/// its first bytes, to `<directory>/blob` and `<directory>/index`.
///
/// `known`: frames of other layers to copy instead of compressing the same content again; see KnownFrames.
/// Errors: DataLoss (cut short, corrupt compression, not a tar, differs from `expected_diff_id`), Unimplemented (a tar
/// that can't be had lazily, with the reason), those of `input`, and disk errors. Nothing is published here.
/// Memory: bounded, see LayerWriter. Threads: blocks the caller; decompresses on a thread of its own, compresses on
/// `pool`.
absl::StatusOr<ConvertedLayer> convert_layer(ByteStream& input, const std::string& directory,
                                             const std::optional<Digest>& expected_diff_id, ThreadPool& pool,
                                             Progress* progress = nullptr,
                                             const cache_index::KnownFrames* known = nullptr);

}  // namespace samara::convert
