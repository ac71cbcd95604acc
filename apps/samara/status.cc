#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "commands.h"
#include "node_client.h"

namespace samara::cli {
namespace {

namespace api = node::v1;

constexpr const char* kHelp = R"(Shows what a node is doing: its sites, the layers in its mount and how much of each is here.

Examples:
  samara status
  samara status --json | jq '.layers[] | select(.chunks_present < .chunks_total)')";

std::string background_name(api::BackgroundFetch::State state) {
  switch (state) {
    case api::BackgroundFetch::OFF: return "off";
    case api::BackgroundFetch::DONE: return "done";
    case api::BackgroundFetch::WAITING: return "waiting for a quiet time";
    case api::BackgroundFetch::FETCHING: return "fetching";
    case api::BackgroundFetch::STALLED: return "stalled";
    case api::BackgroundFetch::PAUSED: return "paused: the machine is under pressure";
    default: return "unknown";
  }
}

nlohmann::json to_json(const api::StatusResponse& status) {
  nlohmann::json json = {{"version", status.version()},
                         {"uptime_seconds", status.uptime_seconds()},
                         {"mountpoint", status.mountpoint()},
                         {"bytes_fetched", status.bytes_fetched()},
                         {"snapshots", status.snapshots()},
                         {"waiting_reads", status.waiting_reads()},
                         {"hung_reads", status.hung_reads()},
                         {"slow_reads", status.slow_reads()},
                         {"takeovers", status.takeovers()},
                         {"known_starts", status.known_starts()},
                         {"background_fetch",
                          {{"state", background_name(status.background_fetch().state())},
                           {"layers_left", status.background_fetch().layers_left()}}},
                         {"sites", nlohmann::json::array()},
                         {"layers", nlohmann::json::array()}};
  for (const api::Site& site : status.sites()) {
    json["sites"].push_back({{"url", site.url()}, {"answers", site.answers()}, {"error", site.error()}});
  }
  for (const api::Layer& layer : status.layers()) {
    json["layers"].push_back({{"slot", layer.slot()},
                              {"layer_digest", layer.layer_digest()},
                              {"diff_id", layer.diff_id()},
                              {"image_ref", layer.image_ref()},
                              {"attached", layer.attached()},
                              {"chunks_present", layer.chunks_present()},
                              {"chunks_total", layer.chunks_total()},
                              {"bytes_present", layer.bytes_present()},
                              {"bytes_total", layer.bytes_total()}});
  }
  return json;
}

std::string megabytes(std::uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MB", static_cast<double>(bytes) / 1e6);
  return text;
}

std::string duration(std::uint64_t seconds) {
  if (seconds < 60) return str_cat(seconds, " s");
  if (seconds < 3600) return str_cat(seconds / 60, " min ", seconds % 60, " s");
  return str_cat(seconds / 3600, " h ", seconds % 3600 / 60, " min");
}

// "sha256:0123456789ab…": enough to tell layers apart.
std::string brief(const std::string& digest) { return digest.substr(0, digest.find(':') + 13); }

std::string present(const api::Layer& layer) {
  if (!layer.attached()) return "index missing";
  const double share = layer.bytes_total() == 0
                           ? 100.0
                           : 100.0 * static_cast<double>(layer.bytes_present()) / static_cast<double>(layer.bytes_total());
  char text[16];
  std::snprintf(text, sizeof text, "%.0f %%", share);
  return text;
}

using Row = std::vector<std::string>;

void print(const api::StatusResponse& status) {
  std::vector<Row> facts = {{"version", status.version()},
                            {"up", duration(status.uptime_seconds())},
                            {"mount", status.mountpoint()},
                            {"snapshots", str_cat(status.snapshots())},
                            {"fetched", megabytes(status.bytes_fetched())},
                            {"reads", str_cat(status.waiting_reads(), " wait, ", status.hung_reads(), " of them for 10 s or longer; ",
                                              status.slow_reads(), " were slow (samara explain)")},
                            {"takeovers", str_cat(status.takeovers())},
                            {"starts", str_cat("known of ", status.known_starts(), " images (samara trace)")}};
  std::string background = background_name(status.background_fetch().state());
  if (status.background_fetch().layers_left() > 0) {
    str_append(&background, ", ", status.background_fetch().layers_left(), " layers left");
  }
  facts.push_back({"background", background});
  for (const api::Site& site : status.sites()) {
    facts.push_back({"site", str_cat(site.url(), site.answers() ? "  answers" : str_cat("  doesn't answer: ", site.error()))});
  }
  print_table(facts);
  if (status.layers().empty()) return;

  std::vector<Row> layers = {{"SLOT", "LAYER", "HERE", "BYTES", "CHUNKS", "IMAGE"}};
  for (const api::Layer& layer : status.layers()) {
    layers.push_back({str_cat(layer.slot()), brief(layer.layer_digest()), present(layer),
                      str_cat(megabytes(layer.bytes_present()), " of ", megabytes(layer.bytes_total())),
                      str_cat(layer.chunks_present(), " of ", layer.chunks_total()), layer.image_ref()});
  }
  std::printf("\n");
  print_table(layers);
}

struct Options {
  std::string address = kNodeAddress;
  bool json = false;
};

absl::Status run(const Options& options) {
  const auto status = ask_node(options.address, &api::Node::Stub::Status, api::StatusRequest());
  if (!status.ok()) return status.status();
  if (options.json) {
    print_json(to_json(*status));
  } else {
    print(*status);
  }
  return absl::OkStatus();
}

}  // namespace

void add_status(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("status", "Shows what a node is doing");
  command->footer(kHelp);
  command->add_option("--address", options->address, "Where the node listens")->capture_default_str();
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options, &exit_code] { exit_code = report(run(*options)); });
}

}  // namespace samara::cli
