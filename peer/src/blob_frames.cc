#include "peer/blob_frames.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"

namespace samara::peer {
namespace {

/// So much is asked for ahead of what the client has taken.
constexpr std::uint64_t kAhead = 8u << 20;

/// Frames that are on their way, in order. Shared with the replies, which may come after nobody waits any more.
class Arrivals {
 public:
  explicit Arrivals(std::size_t count) : frames_(count) {}

  void came(std::size_t i, absl::StatusOr<ChunkBytes> frame) {
    const std::lock_guard lock(mutex_);
    frames_[i] = std::move(frame);
    changed_.notify_all();
  }
  /// The frame, which nobody else waits for.
  absl::StatusOr<ChunkBytes> take(std::size_t i, std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, patience, [&] { return frames_[i].has_value(); })) return *std::exchange(frames_[i], std::nullopt);
    return absl::DeadlineExceededError("it takes too long to come");
  }
  bool has(std::size_t i) {
    const std::lock_guard lock(mutex_);
    return frames_[i].has_value();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::optional<absl::StatusOr<ChunkBytes>>> frames_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<const BlobFrames>> BlobFrames::of(LayerIndex layer) {
  std::vector<std::pair<std::uint64_t, std::uint32_t>> frames;
  for (std::uint32_t i = 0; i < layer->info().chunk_count; ++i) {
    SAMARA_ASSIGN_OR_RETURN(const cache_index::Chunk chunk, layer->chunk(i));
    frames.emplace_back(chunk.blob_offset, i);
  }
  std::sort(frames.begin(), frames.end());
  const auto same_frame = [](const auto& a, const auto& b) { return a.first == b.first; };
  frames.erase(std::unique(frames.begin(), frames.end(), same_frame), frames.end());
  std::uint64_t end = 0;
  for (const auto& [offset, position] : frames) {
    if (offset != end) return absl::DataLossError("the frames of an index don't follow each other");
    SAMARA_ASSIGN_OR_RETURN(const cache_index::Chunk chunk, layer->chunk(position));
    end = chunk.blob_range().end;
  }
  if (end != layer->info().blob_size) return absl::DataLossError("the frames of an index don't make its blob");
  return std::shared_ptr<const BlobFrames>(new BlobFrames(std::move(layer), std::move(frames)));
}

absl::StatusOr<BlobFrames::Span> BlobFrames::holding(const ByteRange& range) const {
  auto it = std::upper_bound(frames_.begin(), frames_.end(), std::pair(range.begin, ~std::uint32_t{0}));
  if (range.empty() || range.end > blob_size() || it == frames_.begin()) return absl::OutOfRangeError("no such range");
  --it;
  Span span{.chunks = {}, .bytes = {it->first, it->first}};
  for (; it != frames_.end() && it->first < range.end; ++it) {
    SAMARA_ASSIGN_OR_RETURN(const cache_index::Chunk chunk, layer_->chunk(it->second));
    span.chunks.push_back(it->second);
    span.bytes.end = chunk.blob_range().end;
  }
  return span;
}

std::vector<std::uint32_t> BlobFrames::all() const {
  std::vector<std::uint32_t> positions;
  positions.reserve(frames_.size());
  for (const auto& [offset, position] : frames_) positions.push_back(position);
  return positions;
}

absl::Status give_range(ChunkFetcher& fetcher, const BlobFrames& frames, const ByteRange& range, const FrameGift& gift,
                        http::ResponseWriter& out) {
  SAMARA_ASSIGN_OR_RETURN(const BlobFrames::Span span, frames.holding(range));
  const auto arrivals = std::make_shared<Arrivals>(span.chunks.size());
  std::size_t asked = 0;
  std::uint64_t asked_to = span.bytes.begin, position = span.bytes.begin;
  for (std::size_t i = 0; i < span.chunks.size(); ++i) {
    for (; asked < span.chunks.size() && asked_to < position + kAhead; ++asked) {
      SAMARA_ASSIGN_OR_RETURN(const cache_index::Chunk chunk, frames.layer()->chunk(span.chunks[asked]));
      asked_to = chunk.blob_range().end;
      fetcher.read_frame(frames.layer(), span.chunks[asked], gift.urgency,
                         [arrivals, asked](auto frame) { arrivals->came(asked, std::move(frame)); });
    }
    std::optional<Seats::Seat> seat;
    if (gift.seats != nullptr && !arrivals->has(i)) {
      SAMARA_ASSIGN_OR_RETURN(const cache_index::Chunk chunk, frames.layer()->chunk(span.chunks[i]));
      seat = gift.seats->take(chunk.digest);
      if (!seat) return absl::ResourceExhaustedError("enough others wait for it already");
    }
    SAMARA_ASSIGN_OR_RETURN(const ChunkBytes frame, arrivals->take(i, gift.patience));
    seat.reset();
    if (!out.started()) SAMARA_RETURN_IF_ERROR(gift.begin());
    if (out.is_head()) return absl::OkStatus();
    const std::uint64_t from = std::max(position, range.begin) - position;
    const std::uint64_t to = std::min<std::uint64_t>(position + frame->size(), range.end) - position;
    SAMARA_RETURN_IF_ERROR(out.write(as_bytes(*frame).subspan(from, to - from)));
    if (gift.given) gift.given(to - from);
    position += frame->size();
  }
  return absl::OkStatus();
}

}  // namespace samara::peer
