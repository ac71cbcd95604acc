#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "scenario.h"

namespace samara::simulation {

/// What came of sites that are alike. Times in seconds since a node's own start, of nodes that didn't vanish.
struct GroupFigures {
  std::string name;
  std::size_t sites = 0, nodes = 0, vanished = 0;
  std::size_t started = 0, completed = 0;  ///< nodes that printed; that have all of the image
  double first_p50 = 0, first_p99 = 0, first_last = 0;
  double complete_p50 = 0, complete_last = 0;
  double copies_over_link = 0;             ///< bytes over a site's link / image; the most of any site, as all that follow
  double seed_copies = 0;                  ///< given by the site's seed / image
  /// Of that, over HTTP to nodes / what a start reads: because they knew nobody yet, had it to bring, asked others in vain.
  double as_stranger = 0, as_owner = 0, in_vain = 0;
  double requests = 0, announces = 0, lists = 0;  ///< of a seed, in its busiest second
  double all_requests = 0;                 ///< of a seed, all in all
  std::size_t longest_list = 0, most_waiting = 0;  ///< nodes in a list; requests that wait for the link at once
  std::uint64_t failed_reads = 0, refusals = 0;
};

struct Figures {
  std::vector<GroupFigures> groups;
  double until = 0;          ///< virtual seconds until the last node was done
  double bound = 0;          ///< what the thinnest link needs for the image
  double centre_copies = 0;  ///< given by the centre / image
  std::uint64_t events = 0;
};

/// Runs a scenario from the first start until every node is done, or its limit.
/// Errors: those of writing the image's few files.
absl::StatusOr<Figures> run(const Scenario& scenario);

}  // namespace samara::simulation
