#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "base/byte_stream.h"

namespace samara::convert {

/// A ByteStream that can be looked at before it is consumed.
/// Threads: one.
class InputBuffer {
 public:
  explicit InputBuffer(ByteStream& input);

  /// Reads until `wanted` bytes (at most kCapacity) lie ready, or the input ends.
  absl::Status fill(std::size_t wanted = 1);
  /// What lies ready.
  std::span<const std::uint8_t> ready() const { return std::span(buffer_).subspan(begin_, end_ - begin_); }
  void consume(std::size_t bytes);
  /// Nothing lies ready and nothing will come. Known after fill().
  bool at_end() const { return ended_ && begin_ == end_; }
  /// Bytes consumed so far.
  std::uint64_t offset() const { return offset_; }

  static constexpr std::size_t kCapacity = 256u << 10;

 private:
  ByteStream& input_;  // borrowed
  std::vector<std::uint8_t> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  std::uint64_t offset_ = 0;
  bool ended_ = false;
};

}  // namespace samara::convert
