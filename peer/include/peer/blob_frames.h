#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/byte_range.h"
#include "base/http/server.h"
#include "peer/chunk_fetcher.h"
#include "peer/chunk_reader.h"
#include "peer/seats.h"

namespace samara::peer {

/// The frames of a blob in the order in which they lie in it, for giving ranges of a blob that isn't here whole.
/// Threads: immutable.
class BlobFrames {
 public:
  /// Errors: DataLoss (the index leaves gaps between frames, or lets them overlap).
  static absl::StatusOr<std::shared_ptr<const BlobFrames>> of(LayerIndex layer);

  const LayerIndex& layer() const { return layer_; }
  std::uint64_t blob_size() const { return layer_->info().blob_size; }

  /// Frames that hold `bytes`, which is what they span together.
  struct Span {
    std::vector<std::uint32_t> chunks;  ///< places in the chunk table
    ByteRange bytes;
  };
  /// The fewest frames that hold all of `range`, which lies within the blob.
  absl::StatusOr<Span> holding(const ByteRange& range) const;
  /// Every frame once, in order.
  std::vector<std::uint32_t> all() const;

 private:
  BlobFrames(LayerIndex layer, std::vector<std::pair<std::uint64_t, std::uint32_t>> frames)
      : layer_(std::move(layer)), frames_(std::move(frames)) {}

  const LayerIndex layer_;
  const std::vector<std::pair<std::uint64_t, std::uint32_t>> frames_;  // offset in the blob, place in the chunk table
};

/// How a range is given.
struct FrameGift {
  FetchClass urgency = FetchClass::kBlocking;
  std::chrono::milliseconds patience{1'000};  ///< for the next frame
  Seats* seats = nullptr;                     ///< wait only with one of these; borrowed
  std::function<absl::Status()> begin;        ///< begins the answer, once the first frame is there
  std::function<void(std::uint64_t)> given;   ///< so many more bytes were handed to the connection
};
/// Writes the bytes of `range` as their frames come; a few MiB of them are asked for ahead of what the client takes.
/// Errors: DeadlineExceeded (patience), ResourceExhausted (no seat), those of ChunkFetcher::read_frame() and of the connection. Once it has begun, an
/// answer that fails is simply left short.
absl::Status give_range(ChunkFetcher& fetcher, const BlobFrames& frames, const ByteRange& range, const FrameGift& gift,
                        http::ResponseWriter& out);

}  // namespace samara::peer
