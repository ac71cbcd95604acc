#include "seed/estimate.h"

#include <algorithm>
#include <set>

#include "base/text.h"

namespace samara::seed {
namespace {

// What an index takes of its layer, where that isn't known yet: a little more than those of real images do.
constexpr std::uint64_t kIndexShare = 50;

bool counts(const WarmImageState& image, std::optional<std::chrono::seconds> within) {
  if (!image.image || image.phase == WarmImageState::Phase::kFailed) return false;
  return !within || (image.wish.deadline.count() > 0 && image.wish.deadline <= *within);
}

std::uint64_t missing(const WarmImageState& image, const WarmItem& item) {
  if (item.state == WarmItem::State::kVerified) return 0;
  return item.missing.value_or(image.bytes);
}

/// Bytes over a link, of one job.
struct Crossing {
  WarmLink link;
  std::uint64_t all = 0, first = 0;  // in the end, and what the level waits for
};

std::uint64_t seconds_at(std::uint64_t bytes, std::uint64_t rate) { return rate == 0 ? 0 : (bytes + rate - 1) / rate; }

std::uint64_t seconds_over(const WarmLink& link, std::uint64_t bytes) {
  const std::uint64_t by_rate = seconds_at(bytes, link.rate);
  const std::uint64_t left = link.day - std::min(link.day, link.today);
  if (link.day == 0 || bytes <= left) return by_rate;
  const std::uint64_t days = (bytes - left + link.day - 1) / link.day;  // that begin anew until it has all crossed
  return std::max(by_rate, static_cast<std::uint64_t>(link.to_midnight.count()) + (days - 1) * 24 * 3600);
}

void add_links(const WarmImageState& image, std::map<std::string, Crossing>& crossings) {
  for (const auto& [site, link] : image.links) {
    Crossing& crossing = crossings[site];
    crossing.link = link;
    crossing.all += link.lacks;
    crossing.first += std::min(link.lacks, image.bytes);
  }
}

}  // namespace

std::uint64_t bytes_of(const peer::WarmImage& image, peer::WarmLevel level) {
  std::uint64_t indexes = 0, blobs = 0;
  for (const peer::WarmImage::Layer& layer : image.layers) {
    indexes += layer.converted() ? layer.record.index_size : layer.record.layer_size / kIndexShare;
    blobs += layer.converted() ? layer.record.blob_size : layer.record.layer_size;
  }
  switch (level) {
    case peer::WarmLevel::kIndex: return indexes;
    case peer::WarmLevel::kTrace: return indexes + image.trace_bytes;
    case peer::WarmLevel::kFull: break;
  }
  return indexes + blobs;
}

std::uint64_t bytes_to_convert(const peer::WarmImage& image) {
  std::uint64_t bytes = 0;
  for (const peer::WarmImage::Layer& layer : image.layers)
    if (!layer.converted()) bytes += layer.record.layer_size;
  return bytes;
}

Estimate estimate(const Job& job, const Rates& rates, std::optional<std::chrono::seconds> within) {
  Estimate sum;
  std::map<std::string, std::uint64_t> by_node;
  std::uint64_t near = 0;
  std::map<std::string, Crossing> crossings;
  std::set<Digest> to_convert;
  for (const WarmImageState& image : job.images) {
    if (!counts(image, within)) continue;
    std::uint64_t largest = 0;  // of this site's own nodes, as `near`
    for (const auto& [node, item] : image.items) {
      const std::uint64_t bytes = missing(image, item);
      by_node[node] += bytes;
      sum.to_nodes += bytes;
      sum.to_site[item.site] += bytes;
      if (!Fleet::child_of(node).empty()) continue;
      largest = std::max(largest, bytes);
      near += bytes;
    }
    add_links(image, crossings);
    sum.out_of_site += largest;  // with a swarm; each byte once
    for (const peer::WarmImage::Layer& layer : image.image->layers)
      if (!layer.converted() && to_convert.insert(layer.record.layer).second) sum.from_upstream += layer.record.layer_size;
  }
  for (const auto& [node, bytes] : by_node) sum.largest_node = std::max(sum.largest_node, bytes);
  if (!rates.swarm) sum.out_of_site = near;
  std::vector<std::pair<std::string, std::uint64_t>> bounds = {{"node", seconds_at(sum.largest_node, rates.node)},
                                                               {"site", seconds_at(sum.out_of_site, rates.site)},
                                                               {"upstream", seconds_at(sum.from_upstream, rates.upstream)}};
  for (const auto& [site, crossing] : crossings) {
    const WarmLink& link = crossing.link;
    const std::uint64_t seconds = seconds_over(link, crossing.first);
    sum.links[site] = {crossing.all, seconds, link.rate, link.day, link.day - std::min(link.day, link.today)};
    bounds.emplace_back(str_cat("to ", site), seconds);
    sum.out_of_site += crossing.all;
  }
  for (const auto& [link, seconds] : bounds) {
    if (seconds <= sum.seconds) continue;
    sum.seconds = seconds;
    sum.bound_by = link;
  }
  return sum;
}

}  // namespace samara::seed
