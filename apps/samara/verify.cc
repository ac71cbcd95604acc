#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_index/index_reader.h"
#include "cache_index/tar_stream.h"
#include "commands.h"
#include "conversion.h"

namespace samara::cli {
namespace {

constexpr const char* kHelp = R"(Re-derives each layer's tar and compares its digest with the diffID that the index names.

Takes a directory with index and blob, a directory of such directories (as `samara convert` writes them), or an index
and its blob. Prints the diffID of each layer. Exits with 1, naming the chunk and its place, when anything is damaged.

Examples:
  samara verify converted
  samara verify some/index some/blob --diff-id sha256:…)";

struct Layer {
  std::string name, index, blob;
};

bool exists(const std::string& path) {
  struct stat st;
  return ::stat(path.c_str(), &st) == 0;
}

Layer in_directory(const std::string& directory) { return {directory, directory + "/index", directory + "/blob"}; }

absl::StatusOr<std::vector<Layer>> find_layers(const std::vector<std::string>& paths) {
  if (paths.size() == 2) return std::vector<Layer>{{paths[0], paths[0], paths[1]}};
  if (exists(paths[0] + "/index")) return std::vector<Layer>{in_directory(paths[0])};
  std::error_code error;
  std::vector<Layer> layers;
  for (const auto& entry : std::filesystem::directory_iterator(paths[0], error)) {
    if (exists(entry.path().string() + "/index")) layers.push_back(in_directory(entry.path().string()));
  }
  if (error) return errno_status(error.value(), paths[0]);
  if (layers.empty()) return absl::NotFoundError(str_cat(paths[0], " holds no index, nor directories with one"));
  std::sort(layers.begin(), layers.end(), [](const Layer& a, const Layer& b) { return a.name < b.name; });
  return layers;
}

/// The layer's diffID, proved.
absl::StatusOr<Digest> verify(const Layer& layer) {
  SAMARA_ASSIGN_OR_RETURN(const auto index, cache_index::IndexReader::open(layer.index));
  SAMARA_RETURN_IF_ERROR(index->check_content());
  SAMARA_ASSIGN_OR_RETURN(const Fd blob, open_file(layer.blob, O_RDONLY));
  SAMARA_ASSIGN_OR_RETURN(const std::uint64_t size, file_size(blob.get()));
  if (size != index->info().blob_size) {
    return absl::DataLossError(str_cat(layer.blob, " has ", size, " bytes, its index says ", index->info().blob_size));
  }
  const cache_index::ChunkSource frames = cache_index::blob_file_source(blob.get());
  SAMARA_RETURN_IF_ERROR(verify_layer(*index, [&](const cache_index::Chunk& chunk) -> absl::StatusOr<std::string> {
    absl::StatusOr<std::string> bytes = frames(chunk);
    if (bytes.ok()) return bytes;
    return annotate(bytes.status(), str_cat("blob bytes ", chunk.blob_offset, " to ", chunk.blob_range().end));
  }));
  SAMARA_ASSIGN_OR_RETURN(const Digest found, hash_file(layer.blob));
  if (found != index->info().blob) {
    return absl::DataLossError(str_cat(layer.blob, " is ", found.to_string(), ", its index says ", index->info().blob.to_string()));
  }
  return index->info().diff_id;
}

absl::Status run(const std::vector<std::string>& paths, const std::string& expected) {
  SAMARA_ASSIGN_OR_RETURN(const std::vector<Layer> layers, find_layers(paths));
  std::size_t damaged = 0;
  for (const Layer& layer : layers) {
    absl::StatusOr<Digest> diff_id = verify(layer);
    if (diff_id.ok() && !expected.empty() && diff_id->to_string() != expected) {
      diff_id = absl::DataLossError(str_cat("the tar is ", diff_id->to_string(), ", expected ", expected));
    }
    if (diff_id.ok()) {
      std::printf("%s  %s\n", diff_id->to_string().c_str(), layer.name.c_str());
    } else {
      ++damaged;
      report(annotate(diff_id.status(), layer.name));
    }
  }
  if (damaged == 0) return absl::OkStatus();
  return absl::DataLossError(str_cat(damaged, " of ", layers.size(), " layers not as they should be"));
}

}  // namespace

void add_verify(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("verify", "Proves converted layers");
  command->footer(kHelp);
  const auto paths = std::make_shared<std::vector<std::string>>();  // the callback below outlives this function
  const auto expected = std::make_shared<std::string>();
  command->add_option("PATH", *paths, "DIR, or INDEX BLOB")->required()->expected(1, 2);
  command->add_option("--diff-id", *expected, "Fail unless this is the layer's diffID");
  command->callback([paths, expected, &exit_code] { exit_code = report(run(*paths, *expected)); });
}

}  // namespace samara::cli
