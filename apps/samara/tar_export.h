#pragma once

#include <string>

#include "absl/status/status.h"
#include "cache_index/index_reader.h"
#include "cache_index/tar_stream.h"

namespace samara::cli {

/// Writes the layer's tar to a descriptor (a file, a pipe) as it is re-derived: memory for one chunk.
/// Errors: DataLoss (a chunk is damaged, or the tar written isn't the diffID), and what write(2) answers.
absl::Status export_tar(const cache_index::IndexReader& index, const cache_index::ChunkSource& chunks, int to);

/// The same to `<path>.partial`, renamed to `path` once it is proved; nothing stays behind after an error.
absl::Status export_tar_file(const cache_index::IndexReader& index, const cache_index::ChunkSource& chunks,
                             const std::string& path);

}  // namespace samara::cli
