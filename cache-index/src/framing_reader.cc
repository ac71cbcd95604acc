#include <zstd.h>

#include <algorithm>
#include <new>
#include <vector>

#include "base/text.h"
#include "framing.h"

namespace samara::cache_index {

struct FramingReader::Context {
  Context() : zstd(ZSTD_createDCtx()), buffer(64u << 10) {
    if (zstd == nullptr) throw std::bad_alloc();
    // Framing that asks for more memory than the format allows is refused by zstd itself.
    ZSTD_DCtx_setParameter(zstd, ZSTD_d_windowLogMax, kFramingWindowLog);
  }
  ~Context() { ZSTD_freeDCtx(zstd); }
  Context(const Context&) = delete;

  ZSTD_DCtx* zstd;
  std::span<const std::uint8_t> input;
  std::size_t consumed = 0;  // of the input
  bool frame_ended = false;
  bool drained = true;  // zstd holds nothing more of the input that it took

  std::vector<std::uint8_t> buffer;
  std::size_t begin = 0, end = 0;  // decompressed and not yet read

  std::uint64_t tag = 0;  // of an operation that is being read
  int tag_bits = 0;
  std::uint64_t literal_left = 0;
};

FramingReader::FramingReader() : context_(std::make_unique<Context>()) {}
FramingReader::~FramingReader() = default;

void FramingReader::set_input(std::span<const std::uint8_t> compressed) { context_->input = compressed; }

bool FramingReader::complete() const {
  const Context& at = *context_;
  return at.frame_ended && at.consumed == at.input.size() && at.begin == at.end && at.tag_bits == 0 &&
         at.literal_left == 0;
}

absl::StatusOr<bool> FramingReader::refill() {
  Context& at = *context_;
  if (at.frame_ended) {
    if (at.consumed < at.input.size()) return absl::DataLossError("framing: bytes after its end");
    return false;
  }
  if (at.drained && at.consumed == at.input.size()) return false;  // zstd calls asking again and again an error
  ZSTD_inBuffer in{at.input.data(), at.input.size(), at.consumed};
  ZSTD_outBuffer out{at.buffer.data(), at.buffer.size(), 0};
  const std::size_t left = ZSTD_decompressStream(at.zstd, &out, &in);
  if (ZSTD_isError(left)) return absl::DataLossError(str_cat("framing: ", ZSTD_getErrorName(left)));
  at.consumed = in.pos;
  at.frame_ended = left == 0;
  at.drained = out.pos < out.size;
  at.begin = 0;
  at.end = out.pos;
  return out.pos > 0;
}

absl::StatusOr<bool> FramingReader::read_tag() {
  Context& at = *context_;
  while (at.begin < at.end) {
    const std::uint8_t byte = at.buffer[at.begin++];
    if (at.tag_bits == 63 && byte > 1) return absl::DataLossError("framing: number too large");
    at.tag |= std::uint64_t{byte & 0x7fu} << at.tag_bits;
    at.tag_bits += 7;
    if (byte < 0x80) return true;
  }
  return false;
}

absl::StatusOr<std::optional<FramingReader::Piece>> FramingReader::next() {
  Context& at = *context_;
  while (true) {
    if (at.begin == at.end) {
      const absl::StatusOr<bool> more = refill();
      if (!more.ok()) return more.status();
      if (!*more) return std::nullopt;
    }
    if (at.literal_left > 0) {
      const std::size_t size = std::min<std::uint64_t>(at.literal_left, at.end - at.begin);
      const Piece piece{FramingOp::kLiteral, size, {&at.buffer[at.begin], size}};
      at.begin += size;
      at.literal_left -= size;
      return piece;
    }
    const absl::StatusOr<bool> whole = read_tag();
    if (!whole.ok()) return whole.status();
    if (!*whole) continue;
    const std::uint64_t size = at.tag >> 2, op = at.tag & 3;
    at.tag = 0;
    at.tag_bits = 0;
    // Every operation moves on, in the tar or in the stream: so their number is bounded by what they may produce.
    if (op > 2 || size == 0) return absl::DataLossError("framing: impossible operation");
    if (op != 0) return Piece{static_cast<FramingOp>(op), size, {}};
    at.literal_left = size;
  }
}

}  // namespace samara::cache_index
