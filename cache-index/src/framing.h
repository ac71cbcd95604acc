#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "absl/status/statusor.h"

namespace samara::cache_index {

/// The tar as a list of operations on the data stream, compressed as one zstd frame (docs/index-format.md, "Framing"):
/// bytes that the tar holds beside file data, "copy the next n bytes of the stream", "skip n bytes of the stream".
enum class FramingOp : std::uint8_t { kLiteral = 0, kCopy = 1, kSkip = 2 };

/// Literals are cut here, so that neither side holds more of one at a time.
inline constexpr std::size_t kMaxLiteralBytes = 64u << 10;
/// zstd window of the framing, hence what a reader must hold: 2 MiB.
inline constexpr int kFramingWindowLog = 21;

/// Collects and compresses the operations of a tar while it streams by. The same operations give the same bytes,
/// however they are split between calls. Threads: one at a time.
class FramingWriter {
 public:
  FramingWriter();
  ~FramingWriter();

  void literal(std::span<const std::uint8_t> bytes);
  void copy(std::uint64_t size) { run(FramingOp::kCopy, size); }
  void skip(std::uint64_t size) { run(FramingOp::kSkip, size); }
  /// Brings everything so far into compressed(). Part of the format's determinism: call it at the same places.
  void flush();
  /// Ends the zstd frame.
  void finish();

  /// What is compressed so far: grows at the end only.
  std::span<const std::uint8_t> compressed() const;
  /// Internal when zstd failed (memory ended).
  const absl::Status& status() const { return status_; }

 private:
  struct Context;
  void run(FramingOp op, std::uint64_t size);
  void end_op();
  void add_op(FramingOp op, std::uint64_t size);
  void compress(int directive);

  std::unique_ptr<Context> context_;
  std::string literal_;                  // the literal being collected …
  FramingOp run_op_ = FramingOp::kCopy;  // … or the copy or skip: never both
  std::uint64_t run_size_ = 0;
  std::string ops_;  // encoded, not yet compressed
  std::string compressed_;
  absl::Status status_;
};

/// Reads operations back from framing bytes, trusted or not, that may still be growing.
/// Memory: the zstd window and a buffer. Threads: one at a time.
class FramingReader {
 public:
  FramingReader();
  ~FramingReader();

  /// `compressed`: all framing bytes from the first on; the same again with more at the end, later. Must stay valid
  /// while next() is called.
  void set_input(std::span<const std::uint8_t> compressed);

  struct Piece {
    FramingOp op;
    std::uint64_t size = 0;               ///< never 0
    std::span<const std::uint8_t> bytes;  ///< of a literal or a part of one, until the next call
  };
  /// The next operation; nullopt when more input is needed. DataLoss: not framing.
  absl::StatusOr<std::optional<Piece>> next();
  /// Everything is read, up to the zstd frame's end.
  bool complete() const;

 private:
  struct Context;
  absl::StatusOr<bool> refill();
  absl::StatusOr<bool> read_tag();

  std::unique_ptr<Context> context_;
};

}  // namespace samara::cache_index
