#include "input_buffer.h"

#include <cstring>

#include "base/status.h"

namespace samara::convert {

InputBuffer::InputBuffer(ByteStream& input) : input_(input), buffer_(kCapacity) {}

absl::Status InputBuffer::fill(std::size_t wanted) {
  if (begin_ == end_) begin_ = end_ = 0;
  while (end_ - begin_ < wanted && !ended_) {
    if (end_ == buffer_.size()) {
      std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
    SAMARA_ASSIGN_OR_RETURN(const std::size_t got, input_.read(std::span(buffer_).subspan(end_)));
    end_ += got;
    ended_ = got == 0;
  }
  return absl::OkStatus();
}

void InputBuffer::consume(std::size_t bytes) {
  begin_ += bytes;
  offset_ += bytes;
}

}  // namespace samara::convert
