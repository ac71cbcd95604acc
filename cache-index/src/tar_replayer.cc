#include "tar_replayer.h"

#include <algorithm>
#include <utility>

#include "base/status.h"

namespace samara::cache_index {

TarReplayer::TarReplayer(Limits limits, Sink sink) : limits_(limits), sink_(std::move(sink)) {}

void TarReplayer::set_stream(std::uint64_t offset, std::span<const std::uint8_t> bytes) {
  stream_offset_ = offset;
  stream_ = bytes;
}

absl::StatusOr<TarReplayer::Missing> TarReplayer::run() {
  while (true) {
    SAMARA_RETURN_IF_ERROR(copy());
    if (copy_left_ > 0) return Missing::kStream;
    const absl::StatusOr<std::optional<FramingReader::Piece>> piece = framing_.next();
    if (!piece.ok()) return piece.status();
    if (!piece->has_value()) return Missing::kFraming;
    SAMARA_RETURN_IF_ERROR(accept(**piece));
  }
}

absl::Status TarReplayer::accept(const FramingReader::Piece& piece) {
  if (piece.op != FramingOp::kSkip && piece.size > limits_.tar_size - written_) {
    return absl::DataLossError("framing: more bytes than the tar has");
  }
  if (piece.op != FramingOp::kLiteral && piece.size > limits_.stream_size - position_) {
    return absl::DataLossError("framing: more bytes than the data stream has");
  }
  switch (piece.op) {
    case FramingOp::kLiteral:
      written_ += piece.size;
      return sink_(piece.bytes);
    case FramingOp::kCopy:
      copy_left_ = piece.size;
      return absl::OkStatus();
    case FramingOp::kSkip:
      position_ += piece.size;
      return absl::OkStatus();
  }
  return absl::DataLossError("framing: impossible operation");
}

absl::Status TarReplayer::copy() {
  if (copy_left_ == 0 || position_ < stream_offset_ || position_ - stream_offset_ >= stream_.size()) {
    return absl::OkStatus();
  }
  const std::size_t from = position_ - stream_offset_;
  const std::size_t size = std::min<std::uint64_t>(copy_left_, stream_.size() - from);
  position_ += size;
  written_ += size;
  copy_left_ -= size;
  return sink_(stream_.subspan(from, size));
}

absl::Status TarReplayer::finish() const {
  if (copy_left_ > 0 || !framing_.complete()) return absl::DataLossError("framing: cut short");
  return absl::OkStatus();
}

}  // namespace samara::cache_index
