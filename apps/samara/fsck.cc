#include "cache_index/fsck.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "base/config.h"
#include "base/status.h"
#include "base/text.h"
#include "commands.h"
#include "progress_line.h"

namespace samara::cli {
namespace {

constexpr const char* kHelp = R"(Reads every row and every byte of a stopped daemon's cache and says what is wrong: rows without bytes, bytes
without rows, altered chunks and objects, interrupted writes, stale pins. With --mend it removes what is wrong, so that
it is fetched again, and keeps all else.

Exit codes: 0 nothing is wrong, 1 it can't be examined (a daemon uses it, it is a newer version's, the disk fails),
2 called wrongly, 3 something is wrong, 4 something was wrong and is mended.

Examples:
  samara fsck /var/lib/samara/node
  samara fsck --mend --config /etc/samara/site.toml)";

constexpr int kWrong = 3, kMended = 4;

struct Options {
  std::string directory, config;
  bool mend = false, json = false;
};

using cache_index::FsckProblem;
using cache_index::FsckReport;

absl::StatusOr<std::string> root_of(const Options& options) {
  if (options.config.empty()) return options.directory;
  SAMARA_ASSIGN_OR_RETURN(Config config, Config::load(options.config));
  std::string root = config.text("root");
  if (root.empty()) return absl::InvalidArgumentError(str_cat(options.config, " names no root; name the directory itself"));
  return root;
}

void show_progress(const std::string& step, std::uint64_t done, std::uint64_t total) {
  std::fprintf(stderr, "\r%s: %s of %s\033[K", step.c_str(), human_size(done).c_str(), human_size(total).c_str());
}

nlohmann::json to_json(const FsckReport& report, const std::string& root, bool mended) {
  nlohmann::json json = {{"directory", root},
                         {"objects", report.objects},
                         {"chunks", report.chunks},
                         {"bytes", report.bytes},
                         {"parts", report.parts},
                         {"unclaimed_bytes", report.unclaimed_bytes},
                         {"database_repaired", report.database_repaired},
                         {"mended", mended},
                         {"problem_count", report.problem_count},
                         {"problems", nlohmann::json::array()}};
  for (const FsckProblem& problem : report.problems) {
    json["problems"].push_back({{"kind", to_string(problem.kind)}, {"what", problem.what}, {"bytes", problem.bytes}});
  }
  return json;
}

void print(const FsckReport& report, bool mended) {
  for (const FsckProblem& problem : report.problems) std::printf("%s: %s\n", to_string(problem.kind), problem.what.c_str());
  if (report.problem_count > report.problems.size()) {
    std::printf("... and %llu more\n", static_cast<unsigned long long>(report.problem_count - report.problems.size()));
  }
  if (report.database_repaired) std::printf("the database could not be opened; what could be read of it was kept\n");
  std::printf("%llu objects, %llu chunks, %s read: ", static_cast<unsigned long long>(report.objects),
              static_cast<unsigned long long>(report.chunks), human_size(report.bytes).c_str());
  if (report.problem_count == 0) std::printf("nothing is wrong\n");
  else std::printf("%llu problems%s\n", static_cast<unsigned long long>(report.problem_count), mended ? ", mended" : "");
}

int run(const Options& options) {
  const absl::StatusOr<std::string> root = root_of(options);
  if (!root.ok()) return report(root.status());
  cache_index::FsckOptions fsck{.root = *root, .mend = options.mend, .threads = std::max(1u, std::thread::hardware_concurrency()), .progress = {}};
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  if (terminal) fsck.progress = show_progress;
  const absl::StatusOr<FsckReport> found = cache_index::fsck(fsck);
  if (terminal) std::fprintf(stderr, "\r\033[K");
  if (absl::IsUnavailable(found.status())) {
    return report(absl::UnavailableError(str_cat("a daemon uses ", *root, "; stop it first (", to_std(found.status().message()), ")")));
  }
  if (!found.ok()) return report(found.status());
  if (options.json) {
    std::printf("%s\n", to_json(*found, *root, options.mend).dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  } else {
    print(*found, options.mend);
  }
  if (found->problem_count == 0 && !found->database_repaired) return 0;
  return options.mend ? kMended : kWrong;
}

}  // namespace

void add_fsck(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("fsck", "Examines a stopped daemon's cache, and mends it");
  command->footer(kHelp);
  auto* directory = command->add_option("DIRECTORY", options->directory, "The daemon's root");
  auto* config = command->add_option("--config", options->config, "The daemon's configuration file, which names the root");
  directory->excludes(config);
  command->add_flag("--mend", options->mend, "Remove what is wrong");
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options, command, &exit_code] {
    if (options->directory.empty() && options->config.empty()) throw CLI::RequiredError("DIRECTORY or --config");
    exit_code = run(*options);
  });
}

}  // namespace samara::cli
