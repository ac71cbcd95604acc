#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace samara::peer {

/// Cuts a stream into pieces of given sizes and hands each on as soon as it is complete.
/// Threads: one.
class FrameCutter {
 public:
  /// `on_frame` gets the piece's number and its bytes, which live only that long.
  using OnFrame = std::function<void(std::size_t number, std::span<const std::uint8_t> frame)>;

  FrameCutter(std::vector<std::uint32_t> sizes, OnFrame on_frame);

  /// DataLoss for more bytes than the sizes make; those before are handed on.
  absl::Status add(std::span<const std::uint8_t> bytes);
  /// How many pieces were handed on.
  std::size_t frames() const { return next_; }

 private:
  const std::vector<std::uint32_t> sizes_;
  const OnFrame on_frame_;
  std::size_t next_ = 0;
  std::string partial_;  // of the piece `next_`
};

}  // namespace samara::peer
