#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "absl/status/statusor.h"
#include "framing.h"

namespace samara::cache_index {

/// Weaves framing and data stream together into the tar again, as far as both are there: replay_tar() gives it a
/// finished layer, LayerWriter one that is still being written.
///
/// Whatever the framing says, no more than `tar_size` bytes come out and no byte past `stream_size` is asked for.
/// Threads: one at a time.
class TarReplayer {
 public:
  using Sink = std::function<absl::Status(std::span<const std::uint8_t>)>;
  struct Limits {
    std::uint64_t tar_size, stream_size;
  };
  TarReplayer(Limits limits, Sink sink);

  /// See FramingReader::set_input.
  void set_framing(std::span<const std::uint8_t> compressed) { framing_.set_input(compressed); }
  /// Bytes of the stream from `offset` on, borrowed until replaced: what run() asked for is among them.
  void set_stream(std::uint64_t offset, std::span<const std::uint8_t> bytes);

  enum class Missing { kFraming, kStream };
  /// Writes what it can; says what it lacks: more framing (or nothing, see finish()), or the stream at
  /// stream_position(). Errors: DataLoss (framing damaged), those of the sink.
  absl::StatusOr<Missing> run();
  std::uint64_t stream_position() const { return position_; }

  std::uint64_t tar_size() const { return written_; }
  /// DataLoss unless the framing has come to its end.
  absl::Status finish() const;

 private:
  absl::Status accept(const FramingReader::Piece& piece);
  absl::Status copy();

  const Limits limits_;
  const Sink sink_;
  FramingReader framing_;
  std::uint64_t written_ = 0;    // bytes of the tar
  std::uint64_t position_ = 0;   // in the stream
  std::uint64_t copy_left_ = 0;  // of the operation under way
  std::uint64_t stream_offset_ = 0;
  std::span<const std::uint8_t> stream_;
};

}  // namespace samara::cache_index
