#include <zstd.h>

#include <algorithm>
#include <new>

#include "base/file.h"
#include "base/text.h"
#include "frame_content.h"
#include "framing.h"

namespace samara::cache_index {
namespace {

// zstd gets operations in pieces of about this size, which depend on the operations only.
constexpr std::size_t kOpsBytes = 128u << 10;

void append_varint(std::string& to, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) to.push_back(static_cast<char>(value | 0x80));
  to.push_back(static_cast<char>(value));
}

}  // namespace

struct FramingWriter::Context {
  Context() : zstd(ZSTD_createCCtx()) {
    if (zstd == nullptr) throw std::bad_alloc();
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, kFramingZstdLevel);
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, kFramingWindowLog);
  }
  ~Context() { ZSTD_freeCCtx(zstd); }
  Context(const Context&) = delete;

  ZSTD_CCtx* zstd;
};

FramingWriter::FramingWriter() : context_(std::make_unique<Context>()) {}
FramingWriter::~FramingWriter() = default;

std::span<const std::uint8_t> FramingWriter::compressed() const { return as_bytes(compressed_); }

void FramingWriter::literal(std::span<const std::uint8_t> bytes) {
  if (run_size_ > 0) end_op();
  while (!bytes.empty()) {
    const std::size_t taken = std::min(bytes.size(), kMaxLiteralBytes - literal_.size());
    literal_.append(as_text(bytes.first(taken)));
    bytes = bytes.subspan(taken);
    if (literal_.size() == kMaxLiteralBytes) end_op();
  }
}

void FramingWriter::run(FramingOp op, std::uint64_t size) {
  if (size == 0) return;
  if (!literal_.empty() || op != run_op_) end_op();
  run_op_ = op;
  run_size_ += size;
}

void FramingWriter::end_op() {
  if (!literal_.empty()) {
    add_op(FramingOp::kLiteral, literal_.size());
    ops_ += literal_;
    literal_.clear();
  } else if (run_size_ > 0) {
    add_op(run_op_, run_size_);
    run_size_ = 0;
  }
  if (ops_.size() >= kOpsBytes) compress(ZSTD_e_continue);
}

void FramingWriter::add_op(FramingOp op, std::uint64_t size) {
  append_varint(ops_, size << 2 | static_cast<std::uint8_t>(op));
}

void FramingWriter::flush() {
  end_op();
  compress(ZSTD_e_flush);
}

void FramingWriter::finish() {
  end_op();
  compress(ZSTD_e_end);
}

void FramingWriter::compress(int directive) {
  if (!status_.ok()) return;
  ZSTD_inBuffer in{ops_.data(), ops_.size(), 0};
  bool more = true;
  while (more) {
    const std::size_t before = compressed_.size();
    compressed_.resize(before + ZSTD_CStreamOutSize());
    ZSTD_outBuffer out{compressed_.data() + before, compressed_.size() - before, 0};
    const std::size_t left = ZSTD_compressStream2(context_->zstd, &out, &in, static_cast<ZSTD_EndDirective>(directive));
    compressed_.resize(before + out.pos);
    if (ZSTD_isError(left)) {
      status_ = absl::InternalError(str_cat("framing: ", ZSTD_getErrorName(left)));
      return;
    }
    more = directive == ZSTD_e_continue ? in.pos < in.size : left != 0;
  }
  ops_.clear();
}

}  // namespace samara::cache_index
