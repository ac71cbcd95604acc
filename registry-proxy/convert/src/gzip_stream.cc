// isa-l's inflate.
#include <isa-l/igzip_lib.h>

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "base/text.h"
#include "decompress.h"
#include "gzip_header.h"

namespace samara::convert {
namespace {

std::string_view reason(int error) {
  switch (error) {
    case ISAL_INVALID_BLOCK:
      return "invalid block";
    case ISAL_INVALID_SYMBOL:
      return "invalid symbol";
    case ISAL_INVALID_LOOKBACK:
      return "invalid distance";
    case ISAL_INCORRECT_CHECKSUM:
      return "checksum or length differs";
    default:
      return "unreadable";
  }
}

class GzipStream : public ByteStream {
 public:
  explicit GzipStream(std::unique_ptr<InputBuffer> input)
      : input_(std::move(input)), state_(std::make_unique<inflate_state>()) {
    isal_inflate_init(state_.get());
    begin_member();
  }

  absl::StatusOr<std::size_t> read(std::span<std::uint8_t> out) override {
    while (true) {
      SAMARA_RETURN_IF_ERROR(input_->fill());
      if (between_members_) {
        if (input_->at_end()) return 0;
        SAMARA_RETURN_IF_ERROR(next_member());
        continue;
      }
      if (!header_.complete()) {
        if (input_->at_end()) return damaged("cut short");
        SAMARA_RETURN_IF_ERROR(skip_header());
        continue;
      }
      const std::size_t before = input_->ready().size();
      SAMARA_ASSIGN_OR_RETURN(const std::size_t produced, inflate(out));
      produced_ += produced;
      between_members_ = state_->block_state == ISAL_BLOCK_FINISH;
      if (produced > 0) return produced;
      if (!between_members_ && before == 0 && input_->at_end()) return damaged("cut short");
    }
  }

 private:
  void begin_member() {
    isal_inflate_reset(state_.get());
    state_->crc_flag = ISAL_GZIP_NO_HDR_VER;  // checks CRC-32 and length at the end
    header_ = {};
    between_members_ = false;
  }

  absl::Status skip_header() {
    const absl::StatusOr<std::size_t> taken = header_.skip(input_->ready());
    if (!taken.ok()) return damaged(to_std(taken.status().message()));
    input_->consume(*taken);
    return absl::OkStatus();
  }

  absl::Status damaged(std::string_view what) const {
    return absl::DataLossError(
        str_cat("gzip: ", what, " at byte ", input_->offset(), " (after ", produced_, " bytes of tar)"));
  }

  /// One step of isa-l over what lies ready.
  absl::StatusOr<std::size_t> inflate(std::span<std::uint8_t> out) {
    const std::span<const std::uint8_t> in = input_->ready();
    const std::size_t room = std::min<std::size_t>(out.size(), 1u << 30);
    state_->next_in = const_cast<std::uint8_t*>(in.data());  // isa-l only reads it
    state_->avail_in = static_cast<std::uint32_t>(in.size());
    state_->next_out = out.data();
    state_->avail_out = static_cast<std::uint32_t>(room);
    const int result = isal_inflate(state_.get());
    input_->consume(in.size() - state_->avail_in);
    if (result < 0 || result == ISAL_NEED_DICT) return damaged(reason(result));
    return room - state_->avail_out;
  }

  /// What follows a member: another one, or zero padding up to the end.
  absl::Status next_member() {
    if (input_->ready()[0] != 0 && !padding_) {
      if (input_->ready()[0] != 0x1f) return damaged("bytes that aren't gzip after the last member");
      begin_member();
      return absl::OkStatus();
    }
    padding_ = true;
    const auto bytes = input_->ready();
    const auto odd = std::find_if(bytes.begin(), bytes.end(), [](std::uint8_t b) { return b != 0; });
    input_->consume(static_cast<std::size_t>(odd - bytes.begin()));
    return odd == bytes.end() ? absl::OkStatus() : damaged("bytes that aren't gzip after the last member");
  }

  std::unique_ptr<InputBuffer> input_;
  std::unique_ptr<inflate_state> state_;
  GzipHeader header_;
  std::uint64_t produced_ = 0;
  bool between_members_ = false;
  bool padding_ = false;  // zeros were seen after a member: nothing else may follow
};

}  // namespace

std::unique_ptr<ByteStream> make_gzip_stream(std::unique_ptr<InputBuffer> input) {
  return std::make_unique<GzipStream>(std::move(input));
}

}  // namespace samara::convert
