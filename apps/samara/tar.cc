#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>

#include "base/status.h"
#include "base/text.h"
#include "cache_index/cache_reader.h"
#include "commands.h"
#include "converted_layers.h"
#include "tar_export.h"

namespace samara::cli {
namespace {

constexpr const char* kHelp = R"(Writes the tar that the layer was before it was converted, byte for byte, to FILE or to standard output.

LAYER is a directory with index and blob; or give INDEX and BLOB. The tar's digest is compared with the diffID that the
index names once its last byte is written; FILE appears under its name only if they are equal. On standard output the
bytes are gone by then: the exit code is 1.

With --cache, LAYER is the digest of a layer as manifests name it, taken out of a site's or node's cache, also while the
daemon runs. On a node, only what was fetched already is there.

Examples:
  samara tar converted/4f5a… -o layer.tar
  samara tar --cache /var/lib/samara/site sha256:4f5a… -o layer.tar
  samara tar converted/4f5a… | tar -tv)";

absl::Status write_out(const cache_index::IndexReader& index, const cache_index::ChunkSource& chunks, const std::string& output) {
  if (!output.empty() && output != "-") return export_tar_file(index, chunks, output);
  if (::isatty(STDOUT_FILENO) != 0) return absl::InvalidArgumentError("a tar is nothing for a terminal: use -o FILE");
  return export_tar(index, chunks, STDOUT_FILENO);
}

absl::Status run_in_cache(const std::string& cache, const std::vector<std::string>& layers, const std::string& output) {
  if (layers.size() != 1) return absl::InvalidArgumentError("with --cache, name one layer by its digest");
  SAMARA_ASSIGN_OR_RETURN(const Digest digest, Digest::parse(layers[0]));
  SAMARA_ASSIGN_OR_RETURN(const auto reader, cache_index::CacheReader::open(cache));
  SAMARA_ASSIGN_OR_RETURN(const cache_index::LayerRecord record, reader->layer(digest));
  SAMARA_ASSIGN_OR_RETURN(const auto index, reader->index(record));
  return write_out(*index, reader->chunks(), output);
}

absl::Status run(const std::vector<std::string>& paths, const std::string& output) {
  SAMARA_ASSIGN_OR_RETURN(const std::vector<ConvertedFiles> found, find_converted(paths));
  if (found.size() != 1) {
    return absl::InvalidArgumentError(str_cat(paths[0], " holds ", found.size(), " layers: name one of them, as ", found[0].name));
  }
  SAMARA_ASSIGN_OR_RETURN(const OpenLayer layer, open_converted(found[0]));
  return write_out(*layer.index, layer.chunks(), output);
}

}  // namespace

void add_tar(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("tar", "Writes a converted layer's original tar");
  command->footer(kHelp);
  const auto paths = std::make_shared<std::vector<std::string>>();  // the callback below outlives this function
  const auto output = std::make_shared<std::string>();
  const auto cache = std::make_shared<std::string>();
  command->add_option("LAYER", *paths, "DIR, or INDEX BLOB; a digest with --cache")->required()->expected(1, 2);
  command->add_option("-o,--output", *output, "File to write; standard output if not given");
  command->add_option("--cache", *cache, "Take the layer out of the cache of the daemon with this root");
  command->callback([paths, output, cache, &exit_code] {
    exit_code = report(cache->empty() ? run(*paths, *output) : run_in_cache(*cache, *paths, *output));
  });
}

}  // namespace samara::cli
