#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>

#include "base/byte_range.h"
#include "base/digest.h"

namespace samara::cache_index {

/// Which chunks were compared with their digests since the cache was opened, so that reading one again only unpacks it.
///
/// A mark speaks of bytes in a place of a blob's file, as they were between two touches. Whoever is about to change bytes
/// touches the place before and after: also where no row says that a chunk lies there, since an index may lie about
/// places. A reader takes the place's stamp before and after it reads; if both are the same nobody changed the bytes
/// meanwhile, and a mark with that stamp is a mark of these very bytes.
///   const Stamp stamp = marks.stamp(blob, range);
///   read();
///   if (marks.contains(chunk, stamp) && marks.stamp(blob, range) == stamp) trust(); else verify(), mark(chunk, stamp);
/// Bounded: 3 MiB of marks for 128k chunks, about 32 GiB of content; of two chunks that want one slot the later one has
/// it. Touches are counted by cells of 64 KiB in a table of 64k; cells that share a counter cost a verification more.
/// Threads: any.
class VerifiedChunks {
 public:
  using Stamp = std::uint64_t;

  VerifiedChunks() : touches_(std::make_unique<std::atomic<std::uint32_t>[]>(kCells)) {}

  Stamp stamp(const Digest& blob, const ByteRange& range) const {
    const std::uint64_t name = word(blob, 0);
    Stamp stamp = mix(name, touches_[cell(name, kWholeBlob)]);
    for (std::uint64_t at = range.begin / kCellBytes; at * kCellBytes < range.end; ++at) {
      stamp = mix(stamp, touches_[cell(name, at)]);
    }
    return mix(stamp, range.begin);
  }
  void touch(const Digest& blob, const ByteRange& range) {
    const std::uint64_t name = word(blob, 0);
    for (std::uint64_t at = range.begin / kCellBytes; at * kCellBytes < range.end; ++at) ++touches_[cell(name, at)];
  }
  /// All of it.
  void touch(const Digest& blob) { ++touches_[cell(word(blob, 0), kWholeBlob)]; }

  bool contains(const Digest& chunk, Stamp stamp) const {
    const std::lock_guard lock(mutex_);
    return marks_ != nullptr && marks_[slot(chunk)] == Mark{word(chunk, 0), word(chunk, 1), stamp};
  }
  void mark(const Digest& chunk, Stamp stamp) {
    const std::lock_guard lock(mutex_);
    if (marks_ == nullptr) marks_ = std::make_unique<Mark[]>(kMarks);
    marks_[slot(chunk)] = {word(chunk, 0), word(chunk, 1), stamp};
  }

 private:
  static constexpr std::size_t kMarks = 1u << 17, kCells = 1u << 16;
  static constexpr std::uint64_t kCellBytes = 64u << 10, kWholeBlob = ~std::uint64_t{0};

  struct Mark {
    std::uint64_t first = 0, second = 0;  // half of a SHA-256
    Stamp stamp = 0;
    bool operator==(const Mark&) const = default;
  };
  static std::uint64_t word(const Digest& digest, std::size_t position) {
    std::uint64_t word = 0;
    std::memcpy(&word, digest.bytes().data() + position * sizeof word, sizeof word);
    return word;
  }
  static std::size_t slot(const Digest& chunk) { return word(chunk, 2) % kMarks; }
  static std::uint64_t mix(std::uint64_t a, std::uint64_t b) {  // splitmix64 of both
    std::uint64_t z = a + 0x9e3779b97f4a7c15 * (b + 1);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  static std::size_t cell(std::uint64_t name, std::uint64_t at) { return mix(name, at) % kCells; }

  const std::unique_ptr<std::atomic<std::uint32_t>[]> touches_;
  mutable std::mutex mutex_;
  std::unique_ptr<Mark[]> marks_;  // none before the first
};

}  // namespace samara::cache_index
