#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/text.h"
#include "cache_index/tar_stream.h"
#include "commands.h"
#include "conversion.h"
#include "converted_layers.h"

namespace samara::cli {
namespace {

constexpr const char* kHelp = R"(Re-derives each layer's tar and compares its digest with the diffID that the index names.

Takes a directory with index and blob, a directory of such directories (as `samara convert` writes them), or an index
and its blob. Prints the diffID of each layer. Exits with 1, naming the chunk and its place, when anything is damaged.

Examples:
  samara verify converted
  samara verify some/index some/blob --diff-id sha256:…)";

/// The layer's diffID, proved.
absl::StatusOr<Digest> verify(const ConvertedFiles& files) {
  SAMARA_ASSIGN_OR_RETURN(const OpenLayer layer, open_converted(files));
  const cache_index::LayerInfo& info = layer.index->info();
  SAMARA_RETURN_IF_ERROR(verify_layer(*layer.index, layer.chunks()));
  SAMARA_ASSIGN_OR_RETURN(const Digest found, hash_file(files.blob));
  if (found != info.blob) {
    return absl::DataLossError(str_cat(files.blob, " is ", found.to_string(), ", its index says ", info.blob.to_string()));
  }
  return info.diff_id;
}

absl::Status run(const std::vector<std::string>& paths, const std::string& expected) {
  SAMARA_ASSIGN_OR_RETURN(const std::vector<ConvertedFiles> layers, find_converted(paths));
  std::size_t damaged = 0;
  for (const ConvertedFiles& layer : layers) {
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
