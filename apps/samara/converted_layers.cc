#include "converted_layers.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/status.h"
#include "base/text.h"

namespace samara::cli {
namespace {

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

ConvertedFiles in_directory(const std::string& directory) { return {directory, directory + "/index", directory + "/blob"}; }

}  // namespace

absl::StatusOr<std::vector<ConvertedFiles>> find_converted(const std::vector<std::string>& paths) {
  if (paths.size() == 2) return std::vector<ConvertedFiles>{{paths[0], paths[0], paths[1]}};
  const std::string& path = paths.at(0);
  if (exists(path + "/index")) return std::vector<ConvertedFiles>{in_directory(path)};
  std::error_code error;
  std::vector<ConvertedFiles> layers;
  for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
    if (exists(entry.path().string() + "/index")) layers.push_back(in_directory(entry.path().string()));
  }
  if (error) return errno_status(error.value(), path);
  if (layers.empty()) return absl::NotFoundError(str_cat(path, " holds no index, nor directories with one"));
  std::sort(layers.begin(), layers.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return layers;
}

cache_index::ChunkSource OpenLayer::chunks() const {
  return [frames = cache_index::blob_file_source(blob.get())](
             const cache_index::Chunk& chunk) -> absl::StatusOr<std::string> {
    absl::StatusOr<std::string> bytes = frames(chunk);
    if (bytes.ok()) return bytes;
    return annotate(bytes.status(), str_cat("blob bytes ", chunk.blob_offset, " to ", chunk.blob_range().end));
  };
}

absl::StatusOr<OpenLayer> open_converted(const ConvertedFiles& files) {
  OpenLayer layer;
  SAMARA_ASSIGN_OR_RETURN(layer.index, cache_index::IndexReader::open(files.index));
  SAMARA_ASSIGN_OR_RETURN(layer.blob, open_file(files.blob, O_RDONLY));
  SAMARA_ASSIGN_OR_RETURN(const std::uint64_t size, file_size(layer.blob.get()));
  if (size != layer.index->info().blob_size) {
    return absl::DataLossError(str_cat(files.blob, " has ", size, " bytes, its index says ", layer.index->info().blob_size));
  }
  return layer;
}

}  // namespace samara::cli
