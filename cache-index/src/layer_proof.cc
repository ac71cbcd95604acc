#include "layer_proof.h"

#include <limits>
#include <utility>

#include "base/status.h"

namespace samara::cache_index {
namespace {

// More spares than the writer ever has in flight would only hold memory.
constexpr std::size_t kMaxSpareBuffers = 32;
constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

}  // namespace

LayerProof::LayerProof()
    : replayer_({kNoLimit, kNoLimit}, [this](std::span<const std::uint8_t> bytes) {
        hasher_.update(bytes);
        return absl::OkStatus();
      }) {}

void LayerProof::add(std::vector<std::uint8_t> bytes, std::uint64_t repeat) {
  const std::uint64_t begin = stream_size_;
  stream_size_ += bytes.size() * repeat;
  runs_.push_back({begin, stream_size_, std::move(bytes)});
}

absl::Status LayerProof::advance(std::span<const std::uint8_t> framing) {
  replayer_.set_framing(framing);
  while (true) {
    SAMARA_ASSIGN_OR_RETURN(const TarReplayer::Missing missing, replayer_.run());
    const std::uint64_t position = replayer_.stream_position();
    const bool here = move_to(position);
    if (missing == TarReplayer::Missing::kFraming || !here) return absl::OkStatus();
    const Run& run = runs_.front();
    replayer_.set_stream(position - (position - run.begin) % run.bytes.size(), run.bytes);
  }
}

bool LayerProof::move_to(std::uint64_t offset) {
  while (!runs_.empty() && runs_.front().end <= offset) {
    replayer_.set_stream(0, {});  // it may have borrowed the bytes that go
    if (spare_.size() < kMaxSpareBuffers) spare_.push_back(std::move(runs_.front().bytes));
    runs_.pop_front();
  }
  return !runs_.empty() && runs_.front().begin <= offset;
}

std::vector<std::uint8_t> LayerProof::spare_buffer() {
  if (spare_.empty()) return {};
  std::vector<std::uint8_t> buffer = std::move(spare_.back());
  spare_.pop_back();
  buffer.clear();
  return buffer;
}

absl::StatusOr<LayerProof::Result> LayerProof::finish(std::span<const std::uint8_t> framing) {
  SAMARA_RETURN_IF_ERROR(advance(framing));
  SAMARA_RETURN_IF_ERROR(replayer_.finish());
  return Result{hasher_.finish(), replayer_.tar_size()};
}

}  // namespace samara::cache_index
