#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/file.h"
#include "cache_index/index_reader.h"
#include "cache_index/tar_stream.h"

/// Converted layers as `samara convert` leaves them on disk.
namespace samara::cli {

/// Where a layer's two files are. `name` is what people called it.
struct ConvertedFiles {
  std::string name, index, blob;
};

/// The layers behind `paths`: a directory with index and blob, a directory of such directories, or two paths, an index
/// and its blob. Sorted by name. Errors: NotFound.
absl::StatusOr<std::vector<ConvertedFiles>> find_converted(const std::vector<std::string>& paths);

/// A layer's index and blob, open. The blob has the size that the index says.
struct OpenLayer {
  std::unique_ptr<cache_index::IndexReader> index;
  Fd blob;

  /// Verified chunks; an error names the chunk and its place in the blob. Valid as long as this lives.
  cache_index::ChunkSource chunks() const;
};
/// Errors: DataLoss (no index, or the blob has another size), and what the disk answers.
absl::StatusOr<OpenLayer> open_converted(const ConvertedFiles& files);

}  // namespace samara::cli
