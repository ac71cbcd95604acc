#pragma once

#include <cstdint>
#include <span>

#include "absl/status/statusor.h"

namespace samara {

/// Bytes that arrive in order, once: a file, or a download under way.
/// Threads: one reader.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  /// Blocks until at least one byte is there; fills up to `out.size()` bytes (not 0) and returns how many; 0 at the end.
  virtual absl::StatusOr<std::size_t> read(std::span<std::uint8_t> out) = 0;
};

}  // namespace samara
