#include "blob_streams.h"

#include "base/status.h"

namespace samara::registry_proxy {

absl::StatusOr<std::size_t> ObjectStream::read(std::span<std::uint8_t> out) {
  if (stop_.stop_requested()) return absl::CancelledError("stopped reading a blob");
  const std::size_t n = std::min<std::uint64_t>(out.size(), object_.size - offset_);
  SAMARA_RETURN_IF_ERROR(pread_all(object_.fd.get(), out.first(n), offset_));
  offset_ += n;
  return n;
}

absl::StatusOr<std::size_t> FillStream::read(std::span<std::uint8_t> out) {
  if (stop_.stop_requested()) return absl::CancelledError("stopped reading a blob");
  SAMARA_ASSIGN_OR_RETURN(const std::uint64_t end, fill_->wait_readable(offset_, stop_));
  const std::size_t n = std::min<std::uint64_t>(out.size(), end - offset_);
  SAMARA_RETURN_IF_ERROR(pread_all(fill_->fd(), out.first(n), offset_));
  offset_ += n;
  return n;
}

}  // namespace samara::registry_proxy
