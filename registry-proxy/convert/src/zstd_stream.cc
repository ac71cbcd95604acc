// The one file of this component that talks to zstd.
#include <zstd.h>
#include <zstd_errors.h>

#include <utility>

#include "base/status.h"
#include "base/text.h"
#include "decompress.h"

namespace samara::convert {
namespace {

constexpr int kMaxWindowLog = 27;  // 128 MiB

class ZstdStream : public ByteStream {
 public:
  explicit ZstdStream(std::unique_ptr<InputBuffer> input) : input_(std::move(input)), context_(ZSTD_createDCtx()) {
    ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kMaxWindowLog);
  }

  absl::StatusOr<std::size_t> read(std::span<std::uint8_t> out) override {
    while (true) {
      SAMARA_RETURN_IF_ERROR(input_->fill());
      const bool at_end = input_->at_end();
      if (at_end && !in_frame_) return 0;
      ZSTD_inBuffer from{input_->ready().data(), input_->ready().size(), 0};
      ZSTD_outBuffer to{out.data(), out.size(), 0};
      const std::size_t result = ZSTD_decompressStream(context_.get(), &to, &from);
      input_->consume(from.pos);
      if (ZSTD_isError(result)) return failure(result);
      in_frame_ = result != 0;
      produced_ += to.pos;
      if (to.pos > 0) return to.pos;
      if (at_end && in_frame_) return absl::DataLossError(describe("cut short"));
    }
  }

 private:
  struct Free {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };

  std::string describe(std::string_view what) const {
    return str_cat("zstd: ", what, " at byte ", input_->offset(), " (after ", produced_, " bytes of tar)");
  }

  absl::Status failure(std::size_t result) const {
    const std::string message = describe(ZSTD_getErrorName(result));
    switch (ZSTD_getErrorCode(result)) {
      case ZSTD_error_frameParameter_windowTooLarge:
      case ZSTD_error_dictionary_wrong:
        return absl::UnimplementedError(message);
      case ZSTD_error_memory_allocation:
        return absl::ResourceExhaustedError(message);
      default:
        return absl::DataLossError(message);
    }
  }

  std::unique_ptr<InputBuffer> input_;
  std::unique_ptr<ZSTD_DCtx, Free> context_;
  std::uint64_t produced_ = 0;
  bool in_frame_ = false;
};

}  // namespace

std::unique_ptr<ByteStream> make_zstd_stream(std::unique_ptr<InputBuffer> input) {
  return std::make_unique<ZstdStream>(std::move(input));
}

}  // namespace samara::convert
