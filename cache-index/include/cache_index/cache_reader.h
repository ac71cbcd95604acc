#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cache_index/cache.h"
#include "cache_index/index_reader.h"
#include "cache_index/tar_stream.h"

namespace samara::cache_index {

/// Looks into a cache that a daemon may be using, and changes nothing: what the rows said when it was opened. Chunks
/// that were evicted since are NotFound.
/// Threads: any.
class CacheReader {
 public:
  /// Errors: NotFound (no cache there), FailedPrecondition (another version's format), disk errors.
  static absl::StatusOr<std::unique_ptr<CacheReader>> open(const std::string& root);

  absl::StatusOr<LayerRecord> layer(const Digest& layer) const;  ///< NotFound
  absl::StatusOr<std::vector<LayerRecord>> layers() const;
  /// The layer's index, its bytes compared with its digest. NotFound when it isn't here.
  absl::StatusOr<std::unique_ptr<IndexReader>> index(const LayerRecord& record) const;
  /// Chunks of any layer, from wherever they lie, verified. Valid as long as this lives.
  ChunkSource chunks() const;

 private:
  CacheReader(std::string root, std::unique_ptr<Store> rows) : root_(std::move(root)), rows_(std::move(rows)) {}
  absl::StatusOr<std::string> read_chunk(const Chunk& chunk) const;

  const std::string root_;
  const std::unique_ptr<Store> rows_;
};

}  // namespace samara::cache_index
