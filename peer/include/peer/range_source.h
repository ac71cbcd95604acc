#pragma once

#include <functional>
#include <span>
#include <stop_token>
#include <string_view>

#include "absl/status/status.h"
#include "base/byte_range.h"
#include "base/digest.h"

namespace samara::peer {

/// Somewhere that gives ranges of immutable objects: the site now, peers of the swarm later. Never trusted: whoever
/// calls verifies what comes.
/// Threads: any, many at once.
class RangeSource {
 public:
  using OnBytes = std::function<absl::Status(std::span<const std::uint8_t>)>;
  virtual ~RangeSource() = default;
  virtual std::string_view name() const = 0;
  /// Streams exactly the bytes of `range` in order. Errors: NotFound (hasn't got it), Unavailable, DeadlineExceeded,
  /// DataLoss (answered something else than that range), Cancelled, and those of `on_bytes`.
  virtual absl::Status fetch(const Digest& object, const ByteRange& range, std::stop_token stop,
                             const OnBytes& on_bytes) = 0;
};

}  // namespace samara::peer
