#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_format.h"
#include "base/status.h"
#include "base/text.h"
#include "commands.h"
#include "conversion.h"
#include "progress_line.h"

namespace samara::cli {
namespace {

constexpr const char* kHelp = R"(SRC is one of
  DIR[:TAG]  an OCI image layout (from `skopeo copy … oci:DIR:TAG`, umoci, buildah): all its images, or the one
             called TAG
  FILE       one layer: a tar, plain or packed by gzip or zstd

Writes OUTPUT/<hex digits of the layer's digest>/index and …/blob. Layers that are there already are left alone.
Digests of manifests, configs and layers are checked, and every layer is proved: the tar that index and blob give back
has the digest (diffID) that the image's config names.

Examples:
  samara convert python-oci:3.11 -o converted
  samara convert layer.tar.gz --json)";

struct Options {
  std::vector<std::string> sources;
  std::string output = ".";
  std::string platform;
  unsigned threads = 0;
  bool json = false;
};

struct Row {
  LayerJob job;
  absl::StatusOr<LayerResult> result;
};

double ratio(const Row& row) {
  const auto& written = row.result->written;
  if (row.job.size == 0) return 0;
  return static_cast<double>(written.info.blob_size + written.index_size) / static_cast<double>(row.job.size);
}

double megabytes_per_second(const LayerResult& result) {
  return result.seconds > 0 ? static_cast<double>(result.written.info.tar_size) / 1e6 / result.seconds : 0;
}

/// All jobs of all sources, each layer once.
absl::StatusOr<std::vector<LayerJob>> collect(const Options& options) {
  std::vector<LayerJob> jobs;
  std::set<Digest> seen;
  for (const std::string& source : options.sources) {
    SAMARA_ASSIGN_OR_RETURN(std::vector<LayerJob> found, find_layers(source, options.platform));
    for (LayerJob& job : found) {
      if (seen.insert(job.layer).second) jobs.push_back(std::move(job));
    }
  }
  return jobs;
}

std::string describe(const Row& row) {
  const LayerResult& result = *row.result;
  if (result.reused) return str_cat(row.job.layer.brief(), " is converted already");
  return absl::StrFormat("%s converted: %s of tar in %.1f s", row.job.layer.brief(),
                         human_size(result.written.info.tar_size), result.seconds);
}

void print_table(const std::vector<Row>& rows) {
  std::printf("%-12s  %9s  %9s  %9s  %9s  %6s  %8s  %6s\n", "layer", "tar", "layer", "blob", "index", "ratio", "seconds",
              "MB/s");
  for (const Row& row : rows) {
    if (!row.result.ok()) {
      std::printf("%-12s  failed\n", row.job.layer.brief().c_str());
      continue;
    }
    const auto& written = row.result->written;
    std::printf("%-12s  %9s  %9s  %9s  %9s  %6.3f  ", row.job.layer.brief().c_str(),
                human_size(written.info.tar_size).c_str(), human_size(row.job.size).c_str(),
                human_size(written.info.blob_size).c_str(), human_size(written.index_size).c_str(), ratio(row));
    if (row.result->reused) {
      std::printf("%8s  %6s\n", "-", "-");
    } else {
      std::printf("%8.2f  %6.0f\n", row.result->seconds, megabytes_per_second(*row.result));
    }
  }
}

nlohmann::json to_json(const Row& row) {
  nlohmann::json json = {{"source", row.job.source}, {"layer", row.job.layer.to_string()}, {"layer_bytes", row.job.size}};
  if (!row.result.ok()) {
    json["error"] = std::string(row.result.status().message());
    return json;
  }
  const auto& written = row.result->written;
  json["directory"] = row.result->directory;
  json["diff_id"] = written.info.diff_id.to_string();
  json["index"] = written.index.to_string();
  json["index_bytes"] = written.index_size;
  json["blob"] = written.info.blob.to_string();
  json["blob_bytes"] = written.info.blob_size;
  json["tar_bytes"] = written.info.tar_size;
  json["chunks"] = written.info.chunk_count;
  json["inodes"] = written.info.inode_count;
  json["seconds"] = row.result->seconds;
  json["reused"] = row.result->reused;
  return json;
}

void print_json(const std::vector<Row>& rows) {
  nlohmann::json layers = nlohmann::json::array();
  for (const Row& row : rows) layers.push_back(to_json(row));
  const nlohmann::json all = {{"layers", std::move(layers)}};
  // Names from outside may be no UTF-8.
  std::printf("%s\n", all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

absl::Status run(const Options& options) {
  SAMARA_ASSIGN_OR_RETURN(std::vector<LayerJob> jobs, collect(options));
  SAMARA_ASSIGN_OR_RETURN(OutputDirectory output, OutputDirectory::create(options.output));
  ThreadPool pool("compress", options.threads > 0 ? options.threads : std::max(1u, std::thread::hardware_concurrency()));

  std::vector<Row> rows;
  std::size_t failed = 0;
  for (LayerJob& job : jobs) {
    convert::Progress progress;
    absl::StatusOr<LayerResult> result = absl::UnknownError("not run");
    {
      const ProgressLine line(str_cat("[", rows.size() + 1, "/", jobs.size(), "] ", job.layer.brief()), progress, job.size);
      result = output.convert(job, pool, progress);
    }
    rows.push_back({std::move(job), std::move(result)});
    const Row& row = rows.back();
    if (!row.result.ok()) {
      ++failed;
      report(annotate(row.result.status(), str_cat(row.job.source, ": layer ", row.job.layer.to_string())));
    } else {
      std::fprintf(stderr, "[%zu/%zu] %s\n", rows.size(), jobs.size(), describe(row).c_str());
    }
  }
  options.json ? print_json(rows) : print_table(rows);
  return failed == 0 ? absl::OkStatus() : absl::DataLossError(str_cat(failed, " of ", rows.size(), " layers not converted"));
}

}  // namespace

void add_convert(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("convert", "Converts layers to index + blob, offline");
  command->footer(kHelp);
  const auto options = std::make_shared<Options>();  // the callback below outlives this function
  command->add_option("SRC", options->sources, "OCI layouts and layers")->required();
  command->add_option("-o,--output", options->output, "Directory for the converted layers")->capture_default_str();
  command->add_option("--platform", options->platform, "Only images for OS/ARCH[/VARIANT], as linux/amd64");
  command->add_option("-j,--threads", options->threads, "Threads that compress; 0 takes one a CPU")->capture_default_str();
  command->add_flag("--json", options->json, "Print the result as JSON");
  command->callback([options, &exit_code] { exit_code = report(run(*options)); });
}

}  // namespace samara::cli
