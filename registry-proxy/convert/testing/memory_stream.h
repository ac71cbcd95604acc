#pragma once

#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/byte_stream.h"

namespace samara::convert {

/// Bytes in memory as a stream, at most `step` of them a read, and then `end` (OK: the end).
class MemoryStream : public ByteStream {
 public:
  explicit MemoryStream(std::string_view bytes, std::size_t step = ~std::size_t{0}, absl::Status end = absl::OkStatus())
      : left_(bytes), step_(step), end_(std::move(end)) {}

  absl::StatusOr<std::size_t> read(std::span<std::uint8_t> out) override {
    if (left_.empty() && !end_.ok()) return end_;
    const std::size_t size = std::min({out.size(), left_.size(), step_});
    std::memcpy(out.data(), left_.data(), size);
    left_.remove_prefix(size);
    return size;
  }

 private:
  std::string_view left_;
  std::size_t step_;
  absl::Status end_;
};

}  // namespace samara::convert
