#include "chunker.h"

#include <algorithm>
#include <array>

namespace samara::cache_index {
namespace {

using GearTable = std::array<std::uint64_t, 256>;

/// 256 numbers without structure, the same everywhere: splitmix64 from the seed "Samara" in ASCII.
/// Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
constexpr GearTable make_gear() {
  GearTable gear{};
  std::uint64_t state = 0x53616d617261;
  for (std::uint64_t& entry : gear) {
    state += 0x9e3779b97f4a7c15;
    std::uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    entry = z ^ (z >> 31);
  }
  return gear;
}

constexpr GearTable kGear = make_gear();

// The top bits, because they depend on the most bytes: bit 63 on the last 64 of them.
constexpr std::uint64_t kMaskBeforeAverage = ~std::uint64_t{0} << (64 - 20);
constexpr std::uint64_t kMaskAfterAverage = ~std::uint64_t{0} << (64 - 16);

constexpr bool zeros_never_cut() {
  std::uint64_t hash = 0;
  for (int i = 0; i < 64; ++i) {  // from then on the hash of zeros stays as it is
    hash = (hash << 1) + kGear[0];
    if ((hash & kMaskAfterAverage) == 0) return false;
  }
  return true;
}
static_assert(zeros_never_cut());

}  // namespace

std::size_t Chunker::advance(std::span<const std::uint8_t> input) {
  std::size_t taken = 0;
  if (size_ < kMinChunkBytes) {
    taken = std::min<std::size_t>(input.size(), kMinChunkBytes - size_);
    size_ += static_cast<std::uint32_t>(taken);
  }
  if (size_ < kAverageChunkBytes) taken += roll(input.subspan(taken), kAverageChunkBytes, kMaskBeforeAverage);
  if (size_ >= kAverageChunkBytes && !at_cut_) taken += roll(input.subspan(taken), kMaxChunkBytes, kMaskAfterAverage);
  if (size_ == kMaxChunkBytes) at_cut_ = true;
  return taken;
}

std::size_t Chunker::roll(std::span<const std::uint8_t> input, std::uint32_t end, std::uint64_t mask) {
  const std::size_t limit = std::min<std::size_t>(input.size(), end - size_);
  std::uint64_t hash = hash_;
  std::size_t i = 0;
  while (i < limit) {
    hash = (hash << 1) + kGear[input[i++]];
    if ((hash & mask) == 0) {
      at_cut_ = true;
      break;
    }
  }
  hash_ = hash;
  size_ += static_cast<std::uint32_t>(i);
  return i;
}

void Chunker::cut() {
  hash_ = 0;
  size_ = 0;
  at_cut_ = false;
}

}  // namespace samara::cache_index
