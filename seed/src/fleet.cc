#include "seed/fleet.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "base/text.h"

namespace samara::seed {

absl::Status Fleet::heard(peer::Heartbeat beat, std::string_view address, std::string_view client, Time now) {
  const auto found = nodes_.find(beat.name);
  if (found == nodes_.end() && nodes_.size() >= options_.max_nodes) return full();
  if (found != nodes_.end() && !is_away(found->second, now) && (found->second.sender != address || found->second.client != client))
    return absl::AlreadyExistsError(str_cat("another machine is the node ", beat.name, ": give this one a name of its own ([node] name)"));
  const std::string name = beat.name, site = beat.site.empty() ? options_.site : beat.site;
  note(name, std::move(beat), site, address, address, client, now);
  return absl::OkStatus();
}

absl::Status Fleet::full() const {
  return absl::ResourceExhaustedError(str_cat("this site keeps a list of ", options_.max_nodes, " nodes, and it is full"));
}

void Fleet::note(const std::string& name, peer::Heartbeat beat, const std::string& site, std::string_view address,
                 std::string_view sender, std::string_view client, Time now) {
  const auto [at, is_new] = nodes_.try_emplace(name);
  Node& node = at->second;
  if (is_new || is_away(node, now) || node.site != site || node.last.labels != beat.labels) ++version_;
  if (is_new) node.first_heard = now;
  node.site = site;
  node.address = address;
  node.sender = sender;
  node.client = client;
  node.last_heard = now;
  node.last = std::move(beat);
  node.last.reports.clear();
  node.last.reports.shrink_to_fit();
}

absl::Status Fleet::heard_site(peer::SiteBeat beat, std::string_view address, std::string_view client, Time now) {
  const std::string name = beat.self.name;
  const auto found = children_.find(name);
  const bool lives = found != children_.end() && now - found->second.last_heard <= options_.away;
  if (name == options_.site || (lives && (found->second.sender != address || found->second.client != client)))
    return absl::AlreadyExistsError(str_cat("another site is called ", name, ": give this one a name of its own (name in site.toml)"));
  if (found == children_.end() && children_.size() >= options_.max_nodes) return full();
  Child& child = children_[name];
  child.sender = address;
  child.client = client;
  child.last_heard = now;
  child.lacks.clear();
  for (const peer::WarmReport& report : beat.self.reports)
    child.lacks[report.task.manifest] = report.total - std::min(report.total, report.done);
  const auto known_as = [&](const std::string& node) { return str_cat(name, "/", node); };
  for (peer::SiteBeat::Node& node : beat.nodes) {
    const std::string known = known_as(node.name);
    if (!nodes_.contains(known) && nodes_.size() >= options_.max_nodes) return full();
    const std::string site = node.beat.site.empty() ? name : node.beat.site;
    note(known, std::move(node.beat), site, node.address, address, client, now);
  }
  for (const std::string& same : beat.same) {
    const auto node = nodes_.find(known_as(same));
    if (node == nodes_.end()) continue;  // told before this seed was started: it hears of the new epoch, and tells all
    if (is_away(node->second, now)) ++version_;
    node->second.last_heard = now;
  }
  child.last = std::move(beat);
  child.last.nodes.clear();
  child.last.same.clear();
  child.last.self.reports.clear();
  return absl::OkStatus();
}

void Fleet::sweep(Time now) {
  const auto is_forgotten = [&](const auto& entry) { return now - entry.second.last_heard > options_.forget; };
  if (std::erase_if(nodes_, is_forgotten) > 0) ++version_;
  std::erase_if(children_, is_forgotten);
}

const Fleet::Node* Fleet::find(const std::string& name) const {
  const auto found = nodes_.find(name);
  return found == nodes_.end() ? nullptr : &found->second;
}

bool Fleet::is_here(const std::string& name, Time now) const {
  const Node* const node = find(name);
  return node != nullptr && !is_away(*node, now);
}

std::string Fleet::child_of(std::string_view node) {
  const std::size_t slash = node.find('/');
  return std::string(slash == node.npos ? "" : node.substr(0, slash));
}

bool Fleet::is_cut(std::string_view node, Time now) const {
  const std::string name = child_of(node);
  const auto child = children_.find(name);
  return !name.empty() && (child == children_.end() || now - child->second.last_heard > options_.away);
}

std::map<std::string, Fleet::Site> Fleet::sites(Time now) const {
  std::map<std::string, Site> sites;
  std::map<std::string, std::vector<std::uint64_t>> medians;  // by site
  sites[options_.site];
  for (const auto& [name, child] : children_) sites[name].child = &child;
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
    site.slowest_read_ms = std::max(site.slowest_read_ms, node.last.slowest_read_ms);
    site.starts += node.last.starts;
    site.longest_start_ms = std::max(site.longest_start_ms, node.last.longest_start_ms);
    if (node.last.starts > 0) medians[node.site].push_back(node.last.start_ms);
  }
  for (auto& [name, of_nodes] : medians) {
    const auto middle = of_nodes.begin() + static_cast<std::ptrdiff_t>(of_nodes.size() / 2);
    std::nth_element(of_nodes.begin(), middle, of_nodes.end());
    sites[name].start_ms = *middle;
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
