#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cache_index/index_reader.h"

namespace samara::cache_index {

/// Gives a chunk's verified, uncompressed bytes.
using ChunkSource = std::function<absl::StatusOr<std::string>(const Chunk&)>;

/// Writes the layer's original tar, byte for byte: framing and data stream woven together again.
/// Errors: DataLoss (framing damaged), and those of `chunks` and `sink`.
absl::Status replay_tar(const IndexReader& index, const ChunkSource& chunks,
                        const std::function<absl::Status(std::span<const std::uint8_t>)>& sink);

/// Proves a layer: SHA-256 of the replayed tar against the index's diffID. DataLoss when they differ.
absl::Status verify_layer(const IndexReader& index, const ChunkSource& chunks);

/// A ChunkSource over a blob file. The descriptor stays the caller's.
ChunkSource blob_file_source(int blob_fd);

}  // namespace samara::cache_index
