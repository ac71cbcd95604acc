#pragma once

#include <array>
#include <cstdint>
#include <map>

namespace samara::cache_index {

/// What goes first when room is needed; within one, what was used longest ago.
enum class Tier : std::uint8_t {
  kSpare = 0,     ///< original layers whose converted form is here too
  kOrdinary = 1,  ///< chunks, blobs, large objects
  kDear = 2,      ///< small objects (manifests, configs, indexes) and the chunks of layers in use: little, or needed soon
};

/// Finds out, from one pass over everything that may go, which of it goes. Memory is bounded by the number of distinct
/// times: seconds for the last day, ten minutes before.
class EvictionPlan {
 public:
  explicit EvictionPlan(std::uint64_t now) : now_(now) {}

  void add(Tier tier, std::uint64_t last_use, std::uint64_t bytes) { sums_[index(tier)][rounded(last_use)] += bytes; }

  /// All that was added.
  std::uint64_t total() const {
    std::uint64_t sum = 0;
    for (const auto& tier : sums_)
      for (const auto& [last_use, bytes] : tier) sum += bytes;
    return sum;
  }

  /// From here on goes() tells: what was used longest ago, of the first tiers, until `bytes` are reached.
  void choose(std::uint64_t bytes) {
    tiers_ = 0;
    cutoff_ = 0;
    std::uint64_t sum = 0;
    for (const auto& tier : sums_) {
      if (sum >= bytes) return;
      ++tiers_;
      for (auto it = tier.begin(); it != tier.end() && sum < bytes; ++it) {
        sum += it->second;
        cutoff_ = it->first;
      }
    }
  }
  /// Everything of the tiers before the last chosen one, and of that one what is old enough.
  bool goes(Tier tier, std::uint64_t last_use) const {
    const std::size_t position = index(tier) + 1;
    return position < tiers_ || (position == tiers_ && !sums_[index(tier)].empty() && rounded(last_use) <= cutoff_);
  }

 private:
  static std::size_t index(Tier tier) { return static_cast<std::size_t>(tier); }
  std::uint64_t rounded(std::uint64_t last_use) const {
    constexpr std::uint64_t kFine = 86'400, kCoarse = 600;
    return last_use + kFine >= now_ ? last_use : last_use / kCoarse * kCoarse;
  }

  const std::uint64_t now_;
  std::array<std::map<std::uint64_t, std::uint64_t>, 3> sums_;  // bytes by last use
  std::size_t tiers_ = 0;                                       // how many are touched
  std::uint64_t cutoff_ = 0;                                    // of the last of them
};

}  // namespace samara::cache_index
