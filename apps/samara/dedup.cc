#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/status.h"
#include "base/text.h"
#include "commands.h"
#include "conversion.h"
#include "converted_layers.h"
#include "dedup_report.h"
#include "progress_line.h"

namespace samara::cli {
namespace {

constexpr const char* kHelp = R"(Tells what shared chunks save when these images are fetched one after another, in the order given.

SRC is one of
  DIR[:TAG]  an OCI image layout: all its images, or the one called TAG
  DIR        converted layers, as `samara convert` writes them; all of them together count as one image
  FILE       one layer: a tar, plain or packed by gzip or zstd

Layers that aren't converted yet are converted into --work (kept, so that the next run is quick) or, without it, into a
temporary directory.

  packed  compressed layers as a registry stores them
  alone   blobs and indexes of the image's layers: what it takes on disk with nothing else there
  pull    compressed layers that no image before had: what an ordinary pull fetches
  adds    chunks that no image before had, with the new layers' indexes: what Samara fetches and stores
  wire    saved on the wire: 1 - adds / pull
  disk    saved on disk: 1 - adds / alone

Examples:
  samara dedup images:python-3.11.8 images:python-3.11.9
  samara dedup layout --work converted --json)";

struct Options {
  std::vector<std::string> sources;
  std::string platform, work;
  bool json = false;
};

struct Source {
  std::string name;
  std::vector<LayerJob> jobs;             ///< to convert first
  std::vector<ConvertedFiles> converted;  ///< as they are
};

bool is_converted(const std::string& path) {
  const auto found = find_converted({path});
  return found.ok();
}

/// The images behind `sources`, in order.
absl::StatusOr<std::vector<Source>> find_sources(const Options& options) {
  std::vector<Source> sources;
  for (const std::string& path : options.sources) {
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored) && is_converted(path)) {
      SAMARA_ASSIGN_OR_RETURN(std::vector<ConvertedFiles> converted, find_converted({path}));
      sources.push_back({.name = path, .jobs = {}, .converted = std::move(converted)});
      continue;
    }
    SAMARA_ASSIGN_OR_RETURN(std::vector<LayerJob> jobs, find_layers(path, options.platform));
    const std::size_t first = sources.size();
    for (LayerJob& job : jobs) {
      if (sources.size() == first || sources.back().name != job.source) sources.push_back({.name = job.source, .jobs = {}, .converted = {}});
      sources.back().jobs.push_back(std::move(job));
    }
  }
  return sources;
}

absl::Status add_files(DedupReport& report, const ConvertedFiles& files, std::optional<Digest> layer,
                       std::uint64_t layer_bytes) {
  SAMARA_ASSIGN_OR_RETURN(const OpenLayer open, open_converted(files));
  const std::uint64_t index_size = std::filesystem::file_size(files.index);
  return report.add_layer(layer.value_or(open.index->info().diff_id), layer_bytes, *open.index, index_size);
}

absl::Status add_source(DedupReport& report, const Source& source, OutputDirectory& work, ThreadPool& pool) {
  report.begin_image(source.name);
  for (const ConvertedFiles& files : source.converted) SAMARA_RETURN_IF_ERROR(add_files(report, files, std::nullopt, 0));
  for (const LayerJob& job : source.jobs) {
    convert::Progress progress;
    const ProgressLine line(str_cat(source.name, " ", job.layer.brief()), progress, job.size);
    const absl::StatusOr<LayerResult> result = work.convert(job, pool, progress);
    if (!result.ok()) return annotate(result.status(), str_cat(source.name, ": layer ", job.layer.to_string()));
    const std::string& directory = result->directory;
    SAMARA_RETURN_IF_ERROR(add_files(report, {directory, directory + "/index", directory + "/blob"},
                                     result->written.info.diff_id, job.size));
  }
  return absl::OkStatus();
}

std::string saved(std::uint64_t now, std::uint64_t before) {
  if (before == 0) return "-";
  char text[16];
  std::snprintf(text, sizeof text, "%.1f %%", 100 * (1 - static_cast<double>(now) / static_cast<double>(before)));
  return text;
}

std::string known_size(std::uint64_t bytes) { return bytes == 0 ? "-" : human_size(bytes); }

void print_row(const DedupReport::Image& image, const std::string& name, int width) {
  std::printf("%-*s  %6zu  %9s  %9s  %9s  %9s  %9s  %9s  %9s\n", width, name.c_str(), image.layers,
              human_size(image.tar_bytes).c_str(), known_size(image.layer_bytes).c_str(),
              human_size(image.alone_bytes).c_str(), known_size(image.added_layer_bytes).c_str(),
              human_size(image.added_bytes).c_str(), saved(image.added_bytes, image.added_layer_bytes).c_str(),
              saved(image.added_bytes, image.alone_bytes).c_str());
}

void print_table(const DedupReport& report) {
  std::size_t width = 5;
  for (const auto& image : report.images()) width = std::max(width, image.name.size());
  const int w = static_cast<int>(width);
  std::printf("%-*s  %6s  %9s  %9s  %9s  %9s  %9s  %9s  %9s\n", w, "image", "layers", "tar", "packed", "alone", "pull",
              "adds", "wire", "disk");
  for (const auto& image : report.images()) print_row(image, image.name, w);
  print_row(report.total(), "total", w);
}

nlohmann::json to_json(const DedupReport::Image& image) {
  return {{"layers", image.layers},
          {"tar_bytes", image.tar_bytes},
          {"layer_bytes", image.layer_bytes},
          {"chunks", image.chunks},
          {"alone_bytes", image.alone_bytes},
          {"added_layers", image.added_layers},
          {"added_layer_bytes", image.added_layer_bytes},
          {"added_bytes", image.added_bytes}};
}

void print_json(const DedupReport& report) {
  nlohmann::json images = nlohmann::json::array();
  for (const auto& image : report.images()) {
    images.push_back(to_json(image));
    images.back()["image"] = image.name;
  }
  const nlohmann::json all = {{"images", std::move(images)}, {"total", to_json(report.total())}};
  std::printf("%s\n", all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

absl::Status run(const Options& options) {
  SAMARA_ASSIGN_OR_RETURN(const std::vector<Source> sources, find_sources(options));
  std::optional<TempDir> temporary;
  std::string work = options.work;
  if (work.empty()) {
    SAMARA_ASSIGN_OR_RETURN(TempDir directory, TempDir::create("samara-dedup"));
    work = temporary.emplace(std::move(directory)).path();
  }
  SAMARA_ASSIGN_OR_RETURN(OutputDirectory output, OutputDirectory::create(work));
  ThreadPool pool("compress", std::max(1u, std::thread::hardware_concurrency()));
  DedupReport report;
  for (const Source& source : sources) SAMARA_RETURN_IF_ERROR(add_source(report, source, output, pool));
  options.json ? print_json(report) : print_table(report);
  return absl::OkStatus();
}

}  // namespace

void add_dedup(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("dedup", "Tells what shared chunks save over a set of images");
  command->footer(kHelp);
  const auto options = std::make_shared<Options>();  // the callback below outlives this function
  command->add_option("SRC", options->sources, "OCI layouts, converted layers, layers")->required();
  command->add_option("--platform", options->platform, "Only images for OS/ARCH[/VARIANT], as linux/amd64");
  command->add_option("--work", options->work, "Directory for layers converted on the way");
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options, &exit_code] { exit_code = report(run(*options)); });
}

}  // namespace samara::cli
