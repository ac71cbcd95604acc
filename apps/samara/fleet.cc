#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "base/status.h"
#include "base/text.h"
#include "commands.h"
#include "node_client.h"
#include "progress_line.h"
#include "proto_json.h"
#include "seed_client.h"
#include "terminal.h"

namespace samara::cli {
namespace {

namespace api = seed::v1;

constexpr const char* kNodesHelp = R"(Lists the nodes that the site hears of: every samara-node that has it among its `sites`, and, as SITE/NODE, those of the
sites below it.

A selector is terms with commas between, all of which hold: key=value ("a|b": one of them), key!=value, key, !key, and
name=PATTERN for the node's own name; '*' stands for any text. Labels are set by [node] labels in node.toml.

Examples:
  samara nodes
  samara nodes zone=a,gpu
  samara nodes --json | jq -r '.nodes[] | select(.away) | .name')";

constexpr const char* kSitesHelp = R"(Sums up the sites: their nodes, the disk that caches take, and where nodes got their bytes since they started. Sites that
name this one as [parent] tell of their nodes and of their link to it.

Examples:
  samara sites
  samara sites --json)";

struct Options {
  SeedAddress seed;
  std::string selector;
  std::vector<std::string> sites;
  bool json = false;
};

std::string disk(std::uint64_t used, std::uint64_t limit) {
  return limit == 0 ? human_size(used) : str_cat(human_size(used), " of ", human_size(limit));
}

std::string link_of(const api::Site& site) {
  if (!site.below()) return "-";
  if (site.away()) return str_cat("not heard of for ", human_time(site.heard_seconds_ago()));
  std::string text = str_cat("up, ", human_size(site.link_today()), " today");
  if (site.link_day() > 0) str_append(&text, " of ", human_size(site.link_day()));
  if (site.link_rate() > 0) str_append(&text, ", ", human_size(site.link_rate()), "/s at most");
  return text;
}

std::string labels_of(const api::Node& node) {
  std::vector<std::string> labels;
  for (const auto& [key, value] : node.labels()) labels.push_back(value.empty() ? key : str_cat(key, "=", value));
  std::sort(labels.begin(), labels.end());
  std::string text;
  for (const std::string& label : labels) str_append(&text, text.empty() ? "" : ",", label);
  return text.empty() ? "-" : text;
}

absl::Status nodes(const Options& options) {
  SAMARA_ASSIGN_OR_RETURN(const SeedClient seed, SeedClient::connect(options.seed));
  api::NodesRequest request;
  request.set_selector(options.selector);
  for (const std::string& site : options.sites) request.add_sites(site);
  SAMARA_ASSIGN_OR_RETURN(const api::NodesResponse response, seed.ask(&api::Seed::Stub::Nodes, request));
  if (options.json) {
    print_json(to_json(response));
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows = {{"NODE", "SITE", "HEARD", "ADDRESS", "CACHE", "LAYERS", "VERSION", "LABELS"}};
  for (const api::Node& node : response.nodes()) {
    const std::string heard = str_cat(human_time(node.heard_seconds_ago()), " ago", node.away() ? ": away" : "");
    rows.push_back({node.name(), node.site(), heard, node.address(), disk(node.disk_used(), node.disk_limit()), str_cat(node.layers()),
                    node.version(), labels_of(node)});
  }
  print_table(rows);
  return absl::OkStatus();
}

absl::Status sites(const Options& options) {
  SAMARA_ASSIGN_OR_RETURN(const SeedClient seed, SeedClient::connect(options.seed));
  SAMARA_ASSIGN_OR_RETURN(const api::SitesResponse response, seed.ask(&api::Seed::Stub::Sites, api::SitesRequest()));
  if (options.json) {
    print_json(to_json(response));
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows = {{"SITE", "NODES", "AWAY", "CACHES", "FROM SITE", "FROM SWARM", "FROM NEIGHBOURS", "SLOW READS", "LINK"}};
  for (const api::Site& site : response.sites()) {
    rows.push_back({str_cat(site.name(), site.own() ? " (this)" : ""), str_cat(site.nodes()), str_cat(site.nodes_away()),
                    disk(site.disk_used(), site.disk_limit()), human_size(site.from_site()), human_size(site.from_swarm()),
                    human_size(site.from_neighbours()), str_cat(site.slow_reads()), link_of(site)});
  }
  print_table(rows);
  return absl::OkStatus();
}

}  // namespace

void add_fleet(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* list = app.add_subcommand("nodes", "Lists the nodes of a site");
  list->footer(kNodesHelp);
  list->add_option("SELECTOR", options->selector, "Which nodes; all without it");
  list->add_option("--site", options->sites, "Only nodes of this site");
  CLI::App* sum = app.add_subcommand("sites", "Sums up the sites that a seed knows");
  sum->footer(kSitesHelp);
  for (CLI::App* command : {list, sum}) {
    add_seed_address(*command, options->seed);
    command->add_flag("--json", options->json, "Print JSON");
  }
  list->callback([options, &exit_code] { exit_code = report(nodes(*options)); });
  sum->callback([options, &exit_code] { exit_code = report(sites(*options)); });
}

}  // namespace samara::cli
