#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "seed/job.h"

namespace samara::seed {

/// What the links of a site can carry, bytes a second; 0: not known, and so no bound.
struct Rates {
  std::uint64_t node = 0;      ///< into one node
  std::uint64_t site = 0;      ///< out of the site to all its nodes
  std::uint64_t upstream = 0;  ///< from registries into the site
  bool swarm = false;          ///< nodes give to each other: the site gives each byte once at least, and not once a node
};

/// What a job takes: bytes by link, and the least time that its links allow.
struct Estimate {
  /// The link to a site below this one.
  struct Link {
    std::uint64_t bytes = 0;    ///< that cross it, in the end
    std::uint64_t seconds = 0;  ///< until what the level asks for has crossed, by its budgets; 0: it has none
    std::uint64_t rate = 0, day = 0, left_today = 0;  ///< the budgets; 0: none
  };
  std::uint64_t to_nodes = 0;        ///< that nodes lack, all together
  std::uint64_t largest_node = 0;    ///< of that, what the node that lacks most lacks
  std::uint64_t out_of_site = 0;     ///< what the site itself sends at least
  std::uint64_t from_upstream = 0;   ///< that isn't converted here yet
  std::uint64_t seconds = 0;         ///< by the slowest link; 0 when no rate is known
  std::string bound_by;              ///< "node", "site", "upstream" or "to <site>"; empty when no rate is known
  std::map<std::string, std::uint64_t> to_site;  ///< bytes into the nodes of each site
  std::map<std::string, Link> links;             ///< by site
};

/// Items that haven't told what they lack count as lacking everything; those that have ended well lack nothing.
/// `within`: only of images with a deadline, of at most so long; nullopt: of all.
Estimate estimate(const Job& job, const Rates& rates, std::optional<std::chrono::seconds> within = std::nullopt);

/// Compressed bytes that the level asks for, all of them; an estimate while a layer isn't converted.
std::uint64_t bytes_of(const peer::WarmImage& image, peer::WarmLevel level);
/// Compressed bytes of the layers that aren't converted yet.
std::uint64_t bytes_to_convert(const peer::WarmImage& image);

}  // namespace samara::seed
