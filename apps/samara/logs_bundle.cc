#include <CLI/CLI.hpp>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <memory>

#include "base/file.h"
#include "base/http/client.h"
#include "base/status.h"
#include "base/text.h"
#include "commands.h"
#include "node_client.h"
#include "proto_json.h"
#include "seed_client.h"
#include "without_secrets.h"

namespace samara::cli {
namespace {

constexpr const char* kHelp = R"(Writes what somebody who helps will ask for into a directory: what the node and the seed on this machine say of
themselves, their metrics, the last lines of their logs (journalctl) and the versions of what they work with. Files with
tokens, passwords and keys are left out, and configurations are copied with every value of such an option taken out.
What can't be had is said in its place.

Examples:
  samara logs-bundle /tmp/samara-bundle && tar -C /tmp -czf samara-bundle.tgz samara-bundle)";

struct Options {
  SeedAddress seed;
  std::string directory, node = kNodeAddress, node_url = "http://127.0.0.1:7701", site_url = "http://127.0.0.1:7700";
  std::vector<std::string> configurations = {"/etc/samara/site.toml", "/etc/samara/node.toml"};
};

// What a command prints; a shell's words of our own.
std::string output_of(const std::string& command) {
  std::FILE* const pipe = ::popen((command + " 2>&1").c_str(), "re");
  if (pipe == nullptr) return "can't be run\n";
  std::string text;
  char part[4096];
  for (std::size_t count = 0; (count = std::fread(part, 1, sizeof part, pipe)) > 0 && text.size() < (16u << 20);) text.append(part, count);
  ::pclose(pipe);
  return text;
}

std::string answer_of(const std::string& url) {
  http::Client client;
  http::ClientRequest request;
  request.url = url;
  request.connect_timeout = request.idle_timeout = std::chrono::seconds(3);
  const absl::StatusOr<http::Response> response = client.get(request);
  return response.ok() ? response->body : str_cat(std::string(response.status().message()), "\n");
}

std::string said(const absl::StatusOr<nlohmann::json>& json) {
  if (!json.ok()) return str_cat(std::string(json.status().message()), "\n");
  return json->dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

template <typename Response, typename Request>
absl::StatusOr<nlohmann::json> seed_says(const Options& options, grpc::Status (seed::v1::Seed::Stub::*method)(grpc::ClientContext*, const Request&, Response*)) {
  SAMARA_ASSIGN_OR_RETURN(const SeedClient seed, SeedClient::connect(options.seed));
  SAMARA_ASSIGN_OR_RETURN(const Response response, seed.ask(method, Request()));
  return to_json(response);
}

template <typename Response, typename Request>
absl::StatusOr<nlohmann::json> node_says(const Options& options, grpc::Status (node::v1::Node::Stub::*method)(grpc::ClientContext*, const Request&, Response*)) {
  const absl::StatusOr<Response> response = ask_node(options.node, method, Request());
  if (!response.ok()) return response.status();
  return to_json(*response);
}

absl::Status run(const Options& options) {
  if (std::filesystem::exists(options.directory)) return absl::AlreadyExistsError(str_cat(options.directory, " is there already: name a new directory"));
  SAMARA_RETURN_IF_ERROR(make_directories(options.directory));
  using SeedStub = seed::v1::Seed::Stub;
  using NodeStub = node::v1::Node::Stub;
  std::vector<std::pair<std::string, std::string>> files = {
      {"versions.txt", str_cat("samara ", SAMARA_VERSION, "\n", output_of("uname -a"), output_of("containerd --version"), output_of("runc --version"))},
      {"node-status.json", said(node_says(options, &NodeStub::Status))},
      {"node-pins.json", said(node_says(options, &NodeStub::Pins))},
      {"node-slow-reads.json", said(node_says(options, &NodeStub::Explain))},
      {"seed-sites.json", said(seed_says(options, &SeedStub::Sites))},
      {"seed-nodes.json", said(seed_says(options, &SeedStub::Nodes))},
      {"seed-jobs.json", said(seed_says(options, &SeedStub::Jobs))},
      {"node-metrics.txt", answer_of(options.node_url + "/metrics")},
      {"site-metrics.txt", answer_of(options.site_url + "/metrics")},
      {"node.log", output_of("journalctl --no-pager -n 5000 -u samara-node")},
      {"site.log", output_of("journalctl --no-pager -n 5000 -u samara-site")},
      {"disks.txt", str_cat(output_of("df -h"), "\n", output_of("mount -t fuse,fuse.samara,overlay"))}};
  for (const std::string& path : options.configurations) {
    const absl::StatusOr<std::string> text = read_file(path, 1u << 20);
    files.emplace_back(std::filesystem::path(path).filename().string(), text.ok() ? without_secrets(*text) : str_cat(std::string(text.status().message()), "\n"));
  }
  for (const auto& [name, text] : files)
    SAMARA_RETURN_IF_ERROR(write_file_atomic(str_cat(options.directory, "/", name), without_credentials(text), 0600));
  std::printf("%zu files in %s; look through them before you pass them on\n", files.size(), options.directory.c_str());
  return absl::OkStatus();
}

}  // namespace

void add_logs_bundle(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("logs-bundle", "Collects what somebody who helps will ask for");
  command->footer(kHelp);
  command->add_option("DIRECTORY", options->directory, "A new directory")->required();
  command->add_option("--node", options->node, "The node's socket")->capture_default_str();
  command->add_option("--node-url", options->node_url, "samara-node's `listen`")->capture_default_str();
  command->add_option("--site-url", options->site_url, "samara-site's `listen`")->capture_default_str();
  command->add_option("--config", options->configurations, "Configurations to copy, without their secrets")->capture_default_str();
  add_seed_address(*command, options->seed);
  command->callback([options, &exit_code] { exit_code = report(run(*options)); });
}

}  // namespace samara::cli
