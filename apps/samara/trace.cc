#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "commands.h"
#include "node_client.h"

namespace samara::cli {
namespace {

namespace api = node::v1;

constexpr const char* kHelp = R"(Shows what this node has learned of how an image's containers start: the chunks that they read,
in the order in which they first did. What is known when the image comes is fetched at once: what this node has seen
itself, else what its site has heard from other nodes.

Examples:
  samara trace                    # every image
  samara trace library/python
  samara trace --json python | jq '.[0].chunks')";

struct Options {
  std::string address = kNodeAddress;
  std::string image;
  bool json = false;
};

nlohmann::json to_json(const api::TracesResponse& response) {
  nlohmann::json traces = nlohmann::json::array();
  for (const api::Trace& trace : response.traces()) {
    nlohmann::json chunks = nlohmann::json::array();
    for (const api::TraceChunk& chunk : trace.chunks()) {
      chunks.push_back({{"diff_id", chunk.diff_id()}, {"chunk", chunk.chunk()}, {"unused", chunk.unused()}});
    }
    traces.push_back({{"image_ref", trace.image_ref()},
                      {"chain_id", trace.chain_id()},
                      {"starts", trace.starts()},
                      {"chunks", std::move(chunks)}});
  }
  return traces;
}

void print(const api::TracesResponse& response) {
  for (const api::Trace& trace : response.traces()) {
    std::printf("%s  %s\n  learned from %u %s: %d chunks\n", trace.image_ref().c_str(), trace.chain_id().c_str(),
                trace.starts(), trace.starts() == 1 ? "start" : "starts", trace.chunks_size());
    for (const api::TraceChunk& chunk : trace.chunks()) {
      std::printf("  %.19s  chunk %u%s\n", chunk.diff_id().c_str(), chunk.chunk(),
                  chunk.unused() ? "  (not read the last time)" : "");
    }
  }
}

absl::Status run(const Options& options) {
  api::TracesRequest request;
  request.set_image(options.image);
  const auto response = ask_node(options.address, &api::Node::Stub::Traces, request);
  if (!response.ok()) return response.status();
  if (options.json) {
    print_json(to_json(*response));
  } else if (response->traces().empty()) {
    return absl::NotFoundError("nothing is known of such an image");
  } else {
    print(*response);
  }
  return absl::OkStatus();
}

}  // namespace

void add_trace(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("trace", "Shows what a node has learned of how images start");
  command->footer(kHelp);
  command->add_option("IMAGE", options->image, "Part of the image's name or chainID; all images without it");
  command->add_option("--address", options->address, "Where the node listens")->capture_default_str();
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options, &exit_code] { exit_code = report(run(*options)); });
}

}  // namespace samara::cli
