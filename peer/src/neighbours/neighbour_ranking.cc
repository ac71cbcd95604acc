#include "peer/neighbour_ranking.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace samara::peer {
namespace {

constexpr double kRegionsOfAStart = 25;

/// FNV-1a and the last steps of SplitMix64: the same on every machine, which absl::Hash isn't.
std::uint64_t mixed(std::string_view text, std::uint64_t seed) {
  std::uint64_t hash = 0xcbf29ce484222325u ^ seed;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9u;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebu;
  return hash ^ (hash >> 31);
}

std::vector<std::string> first_of(std::size_t count, const std::vector<std::string>& nodes, const Digest& blob, std::uint64_t offset) {
  const std::uint64_t region = mixed(blob.key(), offset / kRegionBytes);
  std::vector<std::pair<std::uint64_t, const std::string*>> weights;
  weights.reserve(nodes.size());
  for (const std::string& node : nodes) weights.emplace_back(mixed(node, region), &node);
  const auto heavier = [](const auto& a, const auto& b) { return a.first != b.first ? a.first > b.first : *a.second > *b.second; };
  std::partial_sort(weights.begin(), weights.begin() + static_cast<std::ptrdiff_t>(count), weights.end(), heavier);

  std::vector<std::string> best;
  for (std::size_t i = 0; i < count; ++i) best.push_back(*weights[i].second);
  return best;
}

}  // namespace

std::size_t owner_count(std::size_t nodes) {
  const auto even = static_cast<std::size_t>(std::lround(std::sqrt(static_cast<double>(nodes) / kRegionsOfAStart)));
  return std::min(nodes, std::max<std::size_t>(1, even));
}

std::vector<std::string> ranked(const std::vector<std::string>& nodes, const Digest& blob, std::uint64_t offset) {
  return first_of(nodes.size(), nodes, blob, offset);
}

std::vector<std::string> owners(const std::vector<std::string>& nodes, const Digest& blob, std::uint64_t offset) {
  return first_of(owner_count(nodes.size()), nodes, blob, offset);
}

std::vector<std::string> in_order_for(std::string_view asker, std::vector<std::string> owners, std::uint64_t offset) {
  if (owners.empty()) return owners;
  const auto first = static_cast<std::ptrdiff_t>(mixed(asker, offset / kRegionBytes) % owners.size());
  std::rotate(owners.begin(), owners.begin() + first, owners.end());
  return owners;
}

}  // namespace samara::peer
