#include <CLI/CLI.hpp>
#include <algorithm>
#include <ctime>
#include <memory>

#include "commands.h"
#include "node_client.h"

namespace samara::cli {
namespace {

namespace api = node::v1;

constexpr const char* kHelp = R"(Shows the last reads (5 ms or longer) that a container waited for: how long, for which file and chunk, where the chunk
came from, and what took most of the time:
  source    the one that gave it
  queue     nobody was asked before, all workers were busy
  failures  sources that failed or gave wrong bytes were asked first
  cache     it was on the disk; reading and decompressing it

CONTAINER is part of a container's id, as crictl shows it, or of its image's name. Readers that ended at once may be
missing from a container and are found by the image.

Examples:
  samara explain 3f2a91
  samara explain library/python
  samara explain --json | jq '[.[].took_ms] | max')";

struct Options {
  std::string address = kNodeAddress;
  std::string container;
  bool json = false;
};

nlohmann::json to_json(const api::SlowRead& read) {
  return {{"ended_ms", read.ended_ms()},   {"took_ms", read.took_ms()},     {"pid", read.pid()},
          {"cgroup", read.cgroup()},       {"image_ref", read.image_ref()}, {"layer_digest", read.layer_digest()},
          {"path", read.path()},           {"offset", read.offset()},       {"size", read.size()},
          {"chunk", read.chunk()},         {"source", read.source()},       {"cause", read.cause()},
          {"fetch_ms", read.fetch_ms()},   {"queued_ms", read.queued_ms()}, {"failed_attempts", read.failed_attempts()},
          {"error", read.error()}};
}

std::string time_of_day(std::uint64_t ms) {
  const auto seconds = static_cast<std::time_t>(ms / 1000);
  std::tm local{};
  localtime_r(&seconds, &local);
  char text[32];
  std::snprintf(text, sizeof text, "%02d:%02d:%02d.%03d", local.tm_hour, local.tm_min, local.tm_sec, static_cast<int>(ms % 1000));
  return text;
}

std::string or_dash(const std::string& text) { return text.empty() ? "-" : text; }

void print(const api::ExplainResponse& response) {
  std::vector<std::vector<std::string>> rows = {{"ENDED", "MS", "SOURCE", "CAUSE", "QUEUED", "CHUNK", "PID", "FILE"}};
  std::uint64_t sum = 0;
  for (const api::SlowRead& read : response.reads()) {
    sum += read.took_ms();
    std::string file = or_dash(read.path());
    if (!read.error().empty()) str_append(&file, "  (", read.error(), ")");
    rows.push_back({time_of_day(read.ended_ms()), str_cat(read.took_ms()), or_dash(read.source()), or_dash(read.cause()),
                    str_cat(read.queued_ms()), str_cat(read.layer_digest().substr(0, 15), "/", read.chunk()),
                    str_cat(read.pid()), file});
  }
  print_table(rows);
  std::printf("\n%d slow reads, %llu ms together\n", response.reads_size(), static_cast<unsigned long long>(sum));
}

absl::Status run(const Options& options) {
  api::ExplainRequest request;
  request.set_container(options.container);
  const auto response = ask_node(options.address, &api::Node::Stub::Explain, request);
  if (!response.ok()) return response.status();
  if (options.json) {
    nlohmann::json reads = nlohmann::json::array();
    for (const api::SlowRead& read : response->reads()) reads.push_back(to_json(read));
    print_json(reads);
  } else if (response->reads().empty()) {
    std::printf("no slow reads\n");
  } else {
    print(*response);
  }
  return absl::OkStatus();
}

}  // namespace

void add_explain(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("explain", "Shows which reads of a container were slow, and why");
  command->footer(kHelp);
  command->add_option("CONTAINER", options->container, "Part of a container's id or of its image's name; all without it");
  command->add_option("--address", options->address, "Where the node listens")->capture_default_str();
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options, &exit_code] { exit_code = report(run(*options)); });
}

}  // namespace samara::cli
