#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "cache_index/chunk.h"

namespace samara::cache_index {

/// Turns a chunk's bytes into its zstd frame (RFC 8878): fixed level, content size in the frame, no checksum (the
/// chunk's digest is stronger). The same bytes always give the same frame.
/// Threads: one at a time; make one per worker.
class FrameCompressor {
 public:
  FrameCompressor();
  ~FrameCompressor();
  /// Empty only when memory ends within zstd.
  std::string compress(std::span<const std::uint8_t> bytes);

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

/// The chunk's bytes out of its frame, verified: right size and right SHA-256.
/// Errors: DataLoss (not a frame, wrong size, wrong digest), naming the chunk.
/// Threads: any.
absl::StatusOr<std::string> open_frame(const Chunk& chunk, std::span<const std::uint8_t> frame);

}  // namespace samara::cache_index
