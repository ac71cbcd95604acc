#pragma once

#include <cstdint>
#include <span>

#include "absl/status/statusor.h"

namespace samara::convert {

/// Skips the header of a gzip member, pushed in pieces of any size: isa-l's own reader forgets where it was between
/// pieces.
///
/// Errors: DataLoss (not a header: magic, method, reserved flags or header checksum).
/// Source: RFC 1952 §2.3.
class GzipHeader {
 public:
  /// How many of `bytes` belong to the header.
  absl::StatusOr<std::size_t> skip(std::span<const std::uint8_t> bytes);
  bool complete() const { return part_ == Part::kDone; }

 private:
  enum class Part { kFixed, kExtraLength, kExtra, kName, kComment, kChecksum, kDone };

  absl::Status add(std::uint8_t byte);
  absl::Status add_fixed(std::uint8_t byte);
  /// Goes on to the next part that the flags announce.
  void next_part();

  Part part_ = Part::kFixed;
  std::uint32_t position_ = 0;  // within the part
  std::uint8_t flags_ = 0;
  std::uint32_t extra_length_ = 0;
  std::uint32_t crc_ = 0;  // of the bytes before
  std::uint32_t stored_crc_ = 0;
};

}  // namespace samara::convert
