#include "scenario.h"

namespace samara::simulation {
namespace {

Scenario like_first(std::string name, std::string about) {
  Scenario scenario;
  scenario.name = std::move(name);
  scenario.about = std::move(about);
  return scenario;
}

/// What tests/bench/urgent and tests/bench/swarm measure with real programs, to see what this is worth.
Scenario of_the_benches(std::string name, std::string about) {
  Scenario scenario = like_first(std::move(name), std::move(about));
  scenario.groups = {{"at the site", 1, 1'000}};
  scenario.nodes_a_site = 8;
  scenario.node_mbit = scenario.seed_mbit = 200;
  scenario.spread = 0.01;
  scenario.sites_have_it = true;
  scenario.neighbours_known = true;
  scenario.trace_known = false;
  scenario.launch = 0;
  scenario.index_mib = 0;
  scenario.image = {.layer_mib = {256}, .trace_mib = 64};
  return scenario;
}

}  // namespace

std::vector<Scenario> all_scenarios() {
  std::vector<Scenario> all;
  all.push_back(like_first("minute", "a hundred nodes in each site start within a minute; no site has the image"));
  all.push_back(like_first("second", "the same within one second"));
  all.back().spread = 1;
  all.push_back(like_first("warmed", "within one second; every site has the image already"));
  all.back().spread = 1;
  all.back().sites_have_it = true;
  all.push_back(like_first("no-trace", "within a minute; nobody knows yet what a start reads"));
  all.back().trace_known = false;
  all.push_back(like_first("whole-first", "within a minute; sites share in swarms only what they have whole"));
  all.back().swarm_while_arriving = false;
  all.push_back(like_first("no-swarm", "within a minute; the bulk too over HTTP"));
  all.back().swarm = false;
  all.push_back(like_first("centre-1g", "within a minute; the centre has 1 Gbit/s for all its sites"));
  all.back().centre_mbit = 1'000;
  all.push_back(like_first("seed-dies", "within a minute; two sites' seeds are off from 20 s to 80 s"));
  all.back().seed_dies = Scenario::Trouble{.at = 20, .until = 80};
  all.push_back(like_first("link-cut", "within a minute; two sites' links are cut from 20 s to 80 s"));
  all.back().link_cut = Scenario::Trouble{.at = 20, .until = 80};
  all.push_back(like_first("vanish", "within a minute; one node in twenty goes without a word"));
  all.back().vanishing = 0.05;
  all.push_back(like_first("one-site", "1,000 nodes in one site start within a minute; it has the image already"));
  all.back().groups = {{"1,000 nodes", 1, 100}};
  all.back().nodes_a_site = 1'000;
  all.back().sites_have_it = true;
  all.push_back(of_the_benches("as-urgent", "8 nodes read 64 MiB at once, 200 Mbit/s each: tests/bench/urgent"));
  all.back().background = false;
  all.push_back(of_the_benches("as-swarm", "8 nodes fetch 256 MiB, 200 Mbit/s each: tests/bench/swarm"));
  all.back().image.trace_mib = 0;
  return all;
}

Scenario small_scenario() {
  Scenario scenario = like_first("small", "40 nodes in 2 sites start within ten seconds");
  scenario.groups = {{"100 Mbit/s", 1, 100}, {"20 Mbit/s", 1, 20}};
  scenario.nodes_a_site = 20;
  scenario.spread = 10;
  scenario.image = {.layer_mib = {40, 20, 4}, .trace_mib = 8};
  return scenario;
}

}  // namespace samara::simulation
