#include "seed/fleet.h"

#include <limits>

#include "base/text.h"

namespace samara::seed {

absl::Status Fleet::heard(peer::Heartbeat beat, std::string_view address, std::string_view client, Time now) {
  const auto found = nodes_.find(beat.name);
  if (found == nodes_.end() && nodes_.size() >= options_.max_nodes)
    return absl::ResourceExhaustedError(str_cat("this site keeps a list of ", options_.max_nodes, " nodes, and it is full"));
  if (found != nodes_.end() && !is_away(found->second, now) && (found->second.address != address || found->second.client != client))
    return absl::AlreadyExistsError(str_cat("another machine is the node ", beat.name, ": give this one a name of its own ([node] name)"));
  const bool is_new = found == nodes_.end();
  Node& node = nodes_[beat.name];
  const std::string& site = beat.site.empty() ? options_.site : beat.site;
  if (is_new || is_away(node, now) || node.site != site || node.last.labels != beat.labels) ++version_;
  if (is_new) node.first_heard = now;
  node.site = site;
  node.address = address;
  node.client = client;
  node.last_heard = now;
  node.last = std::move(beat);
  node.last.reports.clear();
  node.last.reports.shrink_to_fit();
  return absl::OkStatus();
}

void Fleet::sweep(Time now) {
  const auto is_forgotten = [&](const auto& entry) { return now - entry.second.last_heard > options_.forget; };
  if (std::erase_if(nodes_, is_forgotten) > 0) ++version_;
}

const Fleet::Node* Fleet::find(const std::string& name) const {
  const auto found = nodes_.find(name);
  return found == nodes_.end() ? nullptr : &found->second;
}

bool Fleet::is_here(const std::string& name, Time now) const {
  const Node* const node = find(name);
  return node != nullptr && !is_away(*node, now);
}

std::map<std::string, Fleet::Site> Fleet::sites(Time now) const {
  std::map<std::string, Site> sites;
  sites[options_.site];
  for (const auto& [name, node] : nodes_) {
    Site& site = sites[node.site];
    ++site.nodes;
    if (is_away(node, now)) ++site.away;
    site.disk_used += node.last.disk_used;
    site.disk_limit += node.last.disk_limit;
    site.from_site += node.last.from_site;
    site.from_swarm += node.last.from_swarm;
    site.from_neighbours += node.last.from_neighbours;
    site.slow_reads += node.last.slow_reads;
    site.waiting_reads += node.last.waiting_reads;
  }
  return sites;
}

std::uint64_t room_of(const Fleet::Node& node) {
  if (node.last.disk_limit == 0) return std::numeric_limits<std::uint64_t>::max();
  // An eviction begins a little below the limit.
  const std::uint64_t usable = node.last.disk_limit / 10 * 9;
  return usable > node.last.disk_pinned ? usable - node.last.disk_pinned : 0;
}

}  // namespace samara::seed
