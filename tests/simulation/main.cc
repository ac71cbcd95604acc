// Starts an image on thousands of simulated nodes with the project's own policies; README.md says what is real in it.
//
//   simulate [--list] [--seed N] [--fewer N] [--figures FILE] [SCENARIO…]       none means all
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>

#include "base/text.h"
#include "fleet.h"

namespace samara::simulation {
namespace {

void print_group(const Scenario& scenario, const GroupFigures& group) {
  const std::string name = str_cat(group.sites, " x ", group.nodes / group.sites, " at ", group.name);
  std::printf("  %-36s %7.2f %7.2f %7.2f  %7.1f %7.1f", name.c_str(), group.first_p50, group.first_p99, group.first_last,
              group.complete_p50, group.complete_last);
  std::printf("  %6.2f %6.2f  %8.2f %6.2f %7.2f", group.copies_over_link, group.seed_copies, group.as_stranger, group.as_owner,
              group.in_vain);
  std::printf("  %8.0f %9.0f %6.0f  %5zu %7zu %6llu\n", group.requests, group.announces, group.lists, group.longest_list,
              group.most_waiting, static_cast<unsigned long long>(group.failed_reads));
  const std::size_t there = group.nodes - group.vanished;
  if (group.started < there || (scenario.background && group.completed < there)) {
    std::printf("  NOT DONE: %zu started, %zu complete of %zu\n", group.started, group.completed, there);
  }
}

void print(const Scenario& scenario, const Figures& figures, double took) {
  std::printf("\n%s: %s\n", scenario.name.c_str(), scenario.about.c_str());
  std::printf("  all done after %.1f s (the thinnest link needs %.1f s), the centre gave %.2f copies;", figures.until,
              figures.bound, figures.centre_copies);
  std::printf(" %.1f s of this machine, %.1f million events\n", took, static_cast<double>(figures.events) / 1e6);
  std::printf("  %-36s %23s  %15s  %6s %6s  %23s", "", "first output, s", "complete, s", "link", "seed", "starts from the seed");
  std::printf("  %25s  %5s %7s %6s\n", "a seed's busiest second", "", "waiting", "failed");
  std::printf("  %-36s %7s %7s %7s  %7s %7s  %13s  %8s %6s %7s", "sites x nodes", "p50", "p99", "last", "p50", "last", "copies",
              "stranger", "owner", "in vain");
  std::printf("  %8s %9s %6s  %5s %7s %6s\n", "requests", "announces", "lists", "list", "there", "reads");
  for (const GroupFigures& group : figures.groups) print_group(scenario, group);
}

/// Lines of "name<TAB>value<TAB>unit", for tests/bench/simulation.
void write(std::ostream& out, const Scenario& scenario, const Figures& figures) {
  const auto line = [&](std::string_view group, std::string_view what, double value, std::string_view unit) {
    out << scenario.name << ", " << group << ": " << what << '\t' << value << '\t' << unit << '\n';
  };
  for (const GroupFigures& group : figures.groups) {
    line(group.name, "first output p50", group.first_p50, "s");
    line(group.name, "first output p99", group.first_p99, "s");
    line(group.name, "first output, last", group.first_last, "s");
    if (scenario.background) line(group.name, "complete, last", group.complete_last, "s");
    line(group.name, "link / image", group.copies_over_link, "ratio");
    line(group.name, "seed upload / image", group.seed_copies, "ratio");
    line(group.name, "seed upload for starts / a start", group.as_stranger + group.as_owner + group.in_vain, "ratio");
    line(group.name, "requests to a seed, most", group.requests, "1/s");
    line(group.name, "announces to a seed, most", group.announces, "1/s");
    line(group.name, "failed reads", static_cast<double>(group.failed_reads), "");
    line(group.name, "nodes not done", static_cast<double>(group.nodes - group.vanished - (scenario.background ? group.completed : group.started)), "");
  }
}

int simulate(const std::vector<std::string>& names, std::uint64_t seed, int fewer, const std::string& file) {
  std::ofstream out;
  if (!file.empty()) out.open(file);
  for (Scenario& scenario : all_scenarios()) {
    if (!names.empty() && std::find(names.begin(), names.end(), scenario.name) == names.end()) continue;
    scenario.seed = seed;
    for (SiteGroup& group : scenario.groups) group.sites = std::max(1, group.sites / fewer);
    scenario.centre_mbit /= fewer;
    const auto begin = std::chrono::steady_clock::now();
    const absl::StatusOr<Figures> figures = run(scenario);
    if (!figures.ok()) {
      std::cerr << figures.status() << '\n';
      return 1;
    }
    print(scenario, *figures, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    std::fflush(stdout);
    if (out.is_open()) write(out, scenario, *figures);
  }
  return 0;
}

}  // namespace
}  // namespace samara::simulation

int main(int argc, char** argv) {
  using namespace samara::simulation;
  std::vector<std::string> names;
  std::uint64_t seed = 1;
  int fewer = 1;
  std::string file;
  bool list = false;
  CLI::App app{"Starts an image on thousands of simulated nodes", "simulate"};
  app.add_flag("--list", list, "only name the scenarios");
  app.add_option("--seed", seed, "of everything random");
  app.add_option("--fewer", fewer, "divide the number of sites, and what the centre has, by that")->check(CLI::Range(1, 100));
  app.add_option("--figures", file, "write the figures there, tabs between");
  app.add_option("scenario", names, "those to run; none: all");
  CLI11_PARSE(app, argc, argv);
  if (!list) return simulate(names, seed, fewer, file);
  for (const Scenario& scenario : all_scenarios()) std::cout << scenario.name << ": " << scenario.about << '\n';
  return 0;
}
