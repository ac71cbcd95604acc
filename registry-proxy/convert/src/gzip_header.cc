#include "gzip_header.h"

#include <isa-l/crc.h>

#include "base/status.h"

namespace samara::convert {
namespace {

constexpr std::uint8_t kHasChecksum = 2, kHasExtra = 4, kHasName = 8, kHasComment = 16, kReserved = 0xe0;
constexpr std::uint32_t kFixedSize = 10;

}  // namespace

absl::StatusOr<std::size_t> GzipHeader::skip(std::span<const std::uint8_t> bytes) {
  std::size_t taken = 0;
  while (taken < bytes.size() && !complete()) SAMARA_RETURN_IF_ERROR(add(bytes[taken++]));
  return taken;
}

absl::Status GzipHeader::add(std::uint8_t byte) {
  if (part_ != Part::kChecksum) crc_ = crc32_gzip_refl(crc_, &byte, 1);
  ++position_;
  switch (part_) {
    case Part::kFixed:
      return add_fixed(byte);
    case Part::kExtraLength:
      extra_length_ |= static_cast<std::uint32_t>(byte) << (8 * (position_ - 1));
      if (position_ == 2) next_part();
      break;
    case Part::kExtra:
      if (position_ == extra_length_) next_part();
      break;
    case Part::kName:
    case Part::kComment:
      if (byte == 0) next_part();
      break;
    case Part::kChecksum:
      stored_crc_ |= static_cast<std::uint32_t>(byte) << (8 * (position_ - 1));
      if (position_ < 2) break;
      if (stored_crc_ != (crc_ & 0xffff)) return absl::DataLossError("header checksum differs");
      next_part();
      break;
    case Part::kDone:
      break;
  }
  return absl::OkStatus();
}

absl::Status GzipHeader::add_fixed(std::uint8_t byte) {
  constexpr std::uint8_t kMagic[] = {0x1f, 0x8b, 8};
  if (position_ <= 3 && byte != kMagic[position_ - 1]) return absl::DataLossError("invalid header");
  if (position_ == 4) {
    if ((byte & kReserved) != 0) return absl::DataLossError("header with unknown flags");
    flags_ = byte;
  }
  if (position_ == kFixedSize) next_part();
  return absl::OkStatus();
}

void GzipHeader::next_part() {
  const auto present = [this](Part part) {
    switch (part) {
      case Part::kExtraLength:
        return (flags_ & kHasExtra) != 0;
      case Part::kExtra:
        return extra_length_ > 0;
      case Part::kName:
        return (flags_ & kHasName) != 0;
      case Part::kComment:
        return (flags_ & kHasComment) != 0;
      case Part::kChecksum:
        return (flags_ & kHasChecksum) != 0;
      default:
        return true;
    }
  };
  position_ = 0;
  do {
    part_ = static_cast<Part>(static_cast<int>(part_) + 1);
  } while (!present(part_));
}

}  // namespace samara::convert
