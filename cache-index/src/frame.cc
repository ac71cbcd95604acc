#include "cache_index/frame.h"

#include <zstd.h>

#include <new>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "cache_index/hasher.h"
#include "frame_content.h"

namespace samara::cache_index {
namespace {

struct FreeDecompressor {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

/// One a thread, made at its first frame: making one costs more than opening a small frame.
ZSTD_DCtx* thread_decompressor() {
  thread_local const std::unique_ptr<ZSTD_DCtx, FreeDecompressor> context(ZSTD_createDCtx());
  return context.get();
}

absl::Status damaged(const Chunk& chunk, std::string_view what) {
  return absl::DataLossError(str_cat("chunk ", chunk.digest.to_string(), ": ", what));
}

}  // namespace

std::uint32_t zstd_version() { return ZSTD_versionNumber(); }

absl::Status decompress_frame(std::span<const std::uint8_t> frame, std::span<std::uint8_t> out) {
  // The size is asked before anything is decompressed, so a frame can't make us write or allocate more than `out`.
  if (ZSTD_getFrameContentSize(frame.data(), frame.size()) != out.size()) {
    return absl::DataLossError("not a frame of the right size");
  }
  ZSTD_DCtx* context = thread_decompressor();
  if (context == nullptr) return absl::ResourceExhaustedError("no memory to decompress");
  const std::size_t written = ZSTD_decompressDCtx(context, out.data(), out.size(), frame.data(), frame.size());
  if (ZSTD_isError(written)) return absl::DataLossError(str_cat("corrupt frame: ", ZSTD_getErrorName(written)));
  if (written != out.size()) return absl::DataLossError("frame holds fewer bytes than it says");
  return absl::OkStatus();
}

struct FrameCompressor::Context {
  Context() : zstd(ZSTD_createCCtx()) {
    if (zstd == nullptr) throw std::bad_alloc();
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_strategy, kFrameParameters.strategy);
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_minMatch, kFrameParameters.min_match);
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_hashLog, kFrameParameters.hash_log);
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_chainLog, kFrameParameters.chain_log);
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_searchLog, 1);  // of no use to this strategy
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, kFrameWindowLog);
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_contentSizeFlag, 1);
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 0);
  }
  ~Context() { ZSTD_freeCCtx(zstd); }
  Context(const Context&) = delete;

  ZSTD_CCtx* zstd;
  std::string scratch;  // kept between frames: clearing a new buffer a frame would show
};

FrameCompressor::FrameCompressor() : context_(std::make_unique<Context>()) {}
FrameCompressor::~FrameCompressor() = default;

std::string FrameCompressor::compress(std::span<const std::uint8_t> bytes) {
  std::string& scratch = context_->scratch;
  if (const std::size_t bound = ZSTD_compressBound(bytes.size()); scratch.size() < bound) scratch.resize(bound);
  const std::size_t size = ZSTD_compress2(context_->zstd, scratch.data(), scratch.size(), bytes.data(), bytes.size());
  return scratch.substr(0, ZSTD_isError(size) ? 0 : size);
}

absl::StatusOr<std::string> unpack_frame(std::uint32_t size, std::span<const std::uint8_t> frame) {
  if (size == 0 || size > kMaxChunkBytes) return absl::DataLossError("impossible size");
  std::string bytes(size, '\0');
  SAMARA_RETURN_IF_ERROR(decompress_frame(frame, {reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()}));
  return bytes;
}

absl::StatusOr<std::string> open_frame(const Chunk& chunk, std::span<const std::uint8_t> frame) {
  if (frame.size() != chunk.blob_size) return damaged(chunk, "frame cut short or too long");
  absl::StatusOr<std::string> bytes = unpack_frame(chunk.stream_size, frame);
  if (!bytes.ok()) return annotate(bytes.status(), str_cat("chunk ", chunk.digest.to_string()));
  if (sha256(as_bytes(*bytes)) != chunk.digest) return damaged(chunk, "content differs from the digest");
  return bytes;
}

}  // namespace samara::cache_index
