#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "base/digest.h"
#include "base/thread_pool.h"
#include "cache_index/index_reader.h"
#include "cache_index/known_frames.h"
#include "cache_index/layer_tree.h"

namespace samara::cache_index {

/// Writes one layer as blob + index while its tar streams by: the tar reader says which bytes are framing (headers,
/// padding, trailer) and which are file data, in tar order; this class chunks and compresses the data stream,
/// compresses the framing, and hashes both.
///
///   auto writer = LayerWriter::create(dir, pool);
///   writer->framing(header); offset = writer->begin_file(); writer->data(bytes); writer->framing(padding); …
///   auto layer = writer->finish(tree, diff_id, tar_size);
///
/// Deterministic: the same calls give the same bytes, whatever the number of threads and however data is split
/// between calls. Memory: chunks in flight (about 2 a worker, 24 at most), the chunk table, the compressed framing.
/// Errors: ResourceExhausted (disk full) and whatever the disk answers; Unimplemented (over 1 TiB of data, or over
/// 256 MiB of compressed headers); after an error every call returns it.
/// Threads: one caller, which may itself run on `pool`; compresses on `pool`, and itself where that is busy.
class LayerWriter {
 public:
  /// Writes `<directory>/blob` and `<directory>/index`; the directory exists and is the caller's.
  /// `known` (borrowed, may be nullptr): frames that needn't be made again; they don't change what is written.
  static absl::StatusOr<std::unique_ptr<LayerWriter>> create(std::string directory, ThreadPool& pool,
                                                             const KnownFrames* known = nullptr);
  virtual ~LayerWriter() = default;

  /// Bytes of the tar that aren't file data.
  virtual absl::Status framing(std::span<const std::uint8_t> bytes) = 0;
  /// Starts a file's data at the next multiple of kStreamAlignment; returns that stream offset.
  /// `size`: the file's bytes, data and holes, for chunk boundaries around big files.
  virtual absl::StatusOr<std::uint64_t> begin_file(std::uint64_t size) = 0;
  /// Bytes of the current file that are in the tar too.
  virtual absl::Status data(std::span<const std::uint8_t> bytes) = 0;
  /// Zeros of the current file that the tar doesn't hold (a hole of a sparse file).
  virtual absl::Status hole(std::uint64_t size) = 0;

  struct Written {
    Digest index;  ///< SHA-256 of the index file
    std::uint64_t index_size = 0;
    LayerInfo info;
  };
  /// Ends blob and index, syncs nothing, and proves the layer: the tar that framing and frames give back is compared
  /// with `diff_id` and `tar_size`. DataLoss when they differ. InvalidArgument: `tree` can't be a Linux file system
  /// (the entry is named), or `diff_id` is no SHA-256.
  /// The tar is re-derived and hashed while it is written, each frame decompressed again as soon as it is made, so
  /// little is left to do here. `diff_id` is what others said of the layer, or the caller's own hash of what it read.
  virtual absl::StatusOr<Written> finish(const LayerTree& tree, const Digest& diff_id, std::uint64_t tar_size) = 0;
};

/// Only the index half: serialises `tree`, the chunk table and the framing; inode_count, chunk_count and format_version
/// of `info` are not read. For tests and LayerWriter.
/// Errors: InvalidArgument (the tree can't be a Linux file system, or its data lies outside the stream; names the
/// entry), ResourceExhausted (more than 4 GiB of names).
absl::StatusOr<std::string> encode_index(const LayerTree& tree, const LayerInfo& info, std::span<const Chunk> chunks,
                         std::span<const std::uint8_t> compressed_framing);

}  // namespace samara::cache_index
