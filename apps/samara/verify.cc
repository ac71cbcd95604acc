#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/text.h"
#include "cache_index/cache_reader.h"
#include "cache_index/tar_stream.h"
#include "commands.h"
#include "conversion.h"
#include "converted_layers.h"

namespace samara::cli {
namespace {

constexpr const char* kHelp = R"(Re-derives each layer's tar and compares its digest with the diffID that the index names.

Takes a directory with index and blob, a directory of such directories (as `samara convert` writes them), or an index
and its blob. Prints the diffID of each layer. Exits with 1, naming the chunk and its place, when anything is damaged.

With --cache, PATH is the digest of a layer as manifests name it, or nothing for all layers of that cache: of a site or
a node, also while the daemon runs. Layers that aren't there whole are told and passed over.

Examples:
  samara verify converted
  samara verify --cache /var/lib/samara/site
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

absl::StatusOr<Digest> verify(const cache_index::CacheReader& cache, const cache_index::LayerRecord& record) {
  SAMARA_ASSIGN_OR_RETURN(const auto index, cache.index(record));
  SAMARA_RETURN_IF_ERROR(verify_layer(*index, cache.chunks()));
  return index->info().diff_id;
}

/// What is said of the layers, one after another.
class Verdicts {
 public:
  explicit Verdicts(std::string expected) : expected_(std::move(expected)) {}

  void add(const std::string& name, absl::StatusOr<Digest> diff_id) {
    ++layers_;
    if (diff_id.ok() && !expected_.empty() && diff_id->to_string() != expected_) {
      diff_id = absl::DataLossError(str_cat("the tar is ", diff_id->to_string(), ", expected ", expected_));
    }
    if (diff_id.ok()) {
      std::printf("%s  %s\n", diff_id->to_string().c_str(), name.c_str());
    } else {
      ++damaged_;
      report(annotate(diff_id.status(), name));
    }
  }
  absl::Status sum() const {
    if (damaged_ == 0) return absl::OkStatus();
    return absl::DataLossError(str_cat(damaged_, " of ", layers_, " layers not as they should be"));
  }

 private:
  const std::string expected_;
  std::size_t layers_ = 0, damaged_ = 0;
};

absl::Status run(const std::vector<std::string>& paths, const std::string& expected) {
  SAMARA_ASSIGN_OR_RETURN(const std::vector<ConvertedFiles> layers, find_converted(paths));
  Verdicts verdicts(expected);
  for (const ConvertedFiles& layer : layers) verdicts.add(layer.name, verify(layer));
  return verdicts.sum();
}

absl::Status run_in_cache(const std::string& root, const std::vector<std::string>& names, const std::string& expected) {
  SAMARA_ASSIGN_OR_RETURN(const auto cache, cache_index::CacheReader::open(root));
  Verdicts verdicts(expected);
  for (const std::string& name : names) {
    SAMARA_ASSIGN_OR_RETURN(const Digest layer, Digest::parse(name));
    SAMARA_ASSIGN_OR_RETURN(const cache_index::LayerRecord record, cache->layer(layer));
    verdicts.add(name, verify(*cache, record));
  }
  if (!names.empty()) return verdicts.sum();
  SAMARA_ASSIGN_OR_RETURN(const std::vector<cache_index::LayerRecord> records, cache->layers());
  for (const cache_index::LayerRecord& record : records) {
    absl::StatusOr<Digest> diff_id = verify(*cache, record);
    if (absl::IsNotFound(diff_id.status())) {
      std::printf("not here whole: %s\n", record.layer.to_string().c_str());
    } else {
      verdicts.add(record.layer.to_string(), std::move(diff_id));
    }
  }
  return verdicts.sum();
}

}  // namespace

void add_verify(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("verify", "Proves converted layers");
  command->footer(kHelp);
  const auto paths = std::make_shared<std::vector<std::string>>();  // the callback below outlives this function
  const auto expected = std::make_shared<std::string>();
  const auto cache = std::make_shared<std::string>();
  command->add_option("PATH", *paths, "DIR, or INDEX BLOB; digests with --cache")->expected(0, 2);
  command->add_option("--diff-id", *expected, "Fail unless this is the layer's diffID");
  command->add_option("--cache", *cache, "Verify layers in the cache of the daemon with this root");
  command->callback([paths, expected, cache, &exit_code] {
    if (paths->empty() && cache->empty()) throw CLI::RequiredError("PATH or --cache");
    exit_code = report(cache->empty() ? run(*paths, *expected) : run_in_cache(*cache, *paths, *expected));
  });
}

}  // namespace samara::cli
