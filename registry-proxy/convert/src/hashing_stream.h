#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "base/byte_stream.h"
#include "cache_index/hasher.h"

namespace samara::convert {

/// Passes a stream on, hashing and counting what goes by.
/// Threads: one; the count is mirrored to `counter` for others.
class HashingStream : public ByteStream {
 public:
  HashingStream(ByteStream& input, std::atomic<std::uint64_t>& counter) : input_(input), counter_(counter) {}

  absl::StatusOr<std::size_t> read(std::span<std::uint8_t> out) override {
    const absl::StatusOr<std::size_t> got = input_.read(out);
    if (got.ok()) {
      hasher_.update(out.first(*got));
      size_ += *got;
      counter_.store(size_, std::memory_order_relaxed);
    }
    return got;
  }

  std::uint64_t size() const { return size_; }
  Digest finish() { return hasher_.finish(); }

 private:
  ByteStream& input_;  // borrowed, as is the counter
  std::atomic<std::uint64_t>& counter_;
  cache_index::Hasher hasher_;
  std::uint64_t size_ = 0;
};

}  // namespace samara::convert
