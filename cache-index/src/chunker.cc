#include "chunker.h"

#include <algorithm>
#include <array>
#include <bit>

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

// The chunk ends where the hash's top bits are zero, that is, where it is small. The top bits, because they depend on
// the most bytes: bit 63 on the last 64 of them.
constexpr std::uint64_t bound_of(int zero_bits) { return std::uint64_t{1} << (64 - zero_bits); }
constexpr int kNormalisation = 2;

constexpr std::uint64_t roll_byte(std::uint64_t hash, std::uint8_t byte) { return (hash << 1) + kGear[byte]; }

constexpr bool zeros_never_cut() {
  std::uint64_t hash = 0;
  for (int i = 0; i < 64; ++i) {  // from then on the hash of zeros stays as it is
    hash = roll_byte(hash, 0);
    if (hash < bound_of(std::countr_zero(kAverageChunkBytes) - kNormalisation)) return false;
  }
  return true;
}
static_assert(zeros_never_cut());

/// Bytes after which a hash has forgotten all that came before.
constexpr std::size_t kMemory = 64;
constexpr std::size_t kLanes = 4, kMaxLane = 4096, kMinLane = 256;

/// Rolls `hash` over kLanes * lane bytes unless a cut is among them: true if there is none.
bool roll_lanes(const std::uint8_t* bytes, std::size_t lane, std::uint64_t bound, std::uint64_t& hash) {
  std::uint64_t h[kLanes] = {hash};
  for (std::size_t k = 1; k < kLanes; ++k) {
    for (std::size_t i = lane - kMemory; i < lane; ++i) h[k] = roll_byte(h[k], bytes[(k - 1) * lane + i]);
  }
  std::uint64_t h0 = h[0], h1 = h[1], h2 = h[2], h3 = h[3];
  std::uint64_t cuts = 0;
  for (std::size_t i = 0; i < lane; ++i) {
    h0 = roll_byte(h0, bytes[i]);
    h1 = roll_byte(h1, bytes[i + lane]);
    h2 = roll_byte(h2, bytes[i + 2 * lane]);
    h3 = roll_byte(h3, bytes[i + 3 * lane]);
    cuts += (h0 < bound) + (h1 < bound) + (h2 < bound) + (h3 < bound);
  }
  if (cuts != 0) return false;
  hash = h3;
  return true;
}

}  // namespace

Chunker::Chunker(const ChunkSizes& sizes)
    : sizes_(sizes),
      bound_before_average_(bound_of(std::countr_zero(sizes.average) + kNormalisation)),
      bound_after_average_(bound_of(std::countr_zero(sizes.average) - kNormalisation)) {}

std::size_t Chunker::advance(std::span<const std::uint8_t> input) {
  std::size_t taken = 0;
  if (size_ < sizes_.least) {
    taken = std::min<std::size_t>(input.size(), sizes_.least - size_);
    size_ += static_cast<std::uint32_t>(taken);
  }
  if (size_ < sizes_.average) taken += roll(input.subspan(taken), sizes_.average, bound_before_average_);
  if (size_ >= sizes_.average && !at_cut_) taken += roll(input.subspan(taken), sizes_.most, bound_after_average_);
  if (size_ == sizes_.most) at_cut_ = true;
  return taken;
}

std::size_t Chunker::roll(std::span<const std::uint8_t> input, std::uint32_t end, std::uint64_t bound) {
  const std::size_t limit = std::min<std::size_t>(input.size(), end - size_);
  std::size_t i = 0;
  for (std::size_t left = limit; left >= kLanes * kMinLane; left = limit - i) {
    const std::size_t lane = std::min(left / kLanes, kMaxLane);
    if (!roll_lanes(&input[i], lane, bound, hash_)) break;
    i += kLanes * lane;
  }
  for (std::uint64_t hash = hash_; i < limit; hash_ = hash) {
    hash = roll_byte(hash, input[i++]);
    if (hash < bound) {
      at_cut_ = true;
      hash_ = hash;
      break;
    }
  }
  size_ += static_cast<std::uint32_t>(i);
  return i;
}

void Chunker::cut() {
  hash_ = 0;
  size_ = 0;
  at_cut_ = false;
}

}  // namespace samara::cache_index
