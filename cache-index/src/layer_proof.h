#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "cache_index/hasher.h"
#include "tar_replayer.h"

namespace samara::cache_index {

/// Re-derives a layer's tar while the layer is being written, from the compressed framing and the chunks as their
/// frames gave them back, and hashes it: proved as the last byte arrives, and nothing is read twice.
///
/// Memory: chunks that the framing doesn't speak of yet; LayerWriter flushes the framing often enough.
/// Threads: one at a time.
class LayerProof {
 public:
  LayerProof();

  /// The next chunk of the stream, `repeat` times in a row.
  void add(std::vector<std::uint8_t> bytes, std::uint64_t repeat);
  /// Goes on as far as `framing` (all of it that is compressed so far) and the chunks allow.
  absl::Status advance(std::span<const std::uint8_t> framing);
  /// A buffer of a chunk that is done with, or an empty one.
  std::vector<std::uint8_t> spare_buffer();

  struct Result {
    Digest tar;
    std::uint64_t tar_size = 0;
  };
  /// What the layer amounts to. DataLoss when framing or chunks are missing.
  absl::StatusOr<Result> finish(std::span<const std::uint8_t> framing);

 private:
  struct Run {
    std::uint64_t begin, end;  // in the stream; several times `bytes`
    std::vector<std::uint8_t> bytes;
  };
  /// Makes the run that holds this offset the first one; false when it hasn't come yet.
  bool move_to(std::uint64_t offset);

  Hasher hasher_;
  TarReplayer replayer_;
  std::uint64_t stream_size_ = 0;  // added so far
  std::deque<Run> runs_;
  std::vector<std::vector<std::uint8_t>> spare_;
};

}  // namespace samara::cache_index
