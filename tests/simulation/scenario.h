#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "image.h"

namespace samara::simulation {

/// Sites that are alike.
struct SiteGroup {
  std::string name;
  int sites = 1;
  double link_mbit = 100;  ///< from the centre
};

/// What happens, in bytes and seconds.
struct Scenario {
  std::string name;
  std::string about;
  std::vector<SiteGroup> groups = {{"100 Mbit/s", 20, 100}, {"20 Mbit/s", 10, 20}};
  int nodes_a_site = 100;
  double node_mbit = 1'000, seed_mbit = 1'000, centre_mbit = 10'000;
  double link_latency = 0.05;  ///< one way
  Image::Shape image;
  double spread = 60;          ///< within that the nodes start
  bool sites_have_it = false;  ///< the image is at the sites before
  bool swarm = true;           ///< bulk over BitTorrent
  bool swarm_while_arriving = true;   ///< also of layers that the site hasn't got whole yet
  std::uint32_t unit_chunks = 4;  ///< of what one peer gives another at a time, see README.md
  std::size_t units_asked = 16;   ///< of all peers at once
  std::size_t seed_slots = 4;     ///< members that the site gives to at once; samara-site's [swarm] upload_slots
  bool background = true;      ///< the rest of the image follows
  bool neighbours_known = false;  ///< every node knows the others before it starts, as in tests/bench/urgent
  bool trace_known = true;     ///< the image's start has been learned
  std::size_t reads_at_once = 4;
  double launch = 0.3;         ///< from the last layer's Prepare to the program's first read
  std::uint32_t index_mib = 4;  ///< of all layers; each node has them whole from its site

  struct Trouble {
    double at = 0, until = 0;
  };
  std::optional<Trouble> seed_dies, link_cut;  ///< of the first and of the last site
  double vanishing = 0;                        ///< share of the nodes, each within 60 s of its start

  double limit = 7'200;  ///< the run ends then at the latest
  std::uint64_t seed = 1;
};

/// The scenarios of the benchmark, by name; the first is the one that the others vary.
std::vector<Scenario> all_scenarios();
/// 2 sites of 20 nodes and 64 MiB: for the tests.
Scenario small_scenario();

}  // namespace samara::simulation
