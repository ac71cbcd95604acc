#include "tar_header.h"

#include <algorithm>
#include <string_view>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"

namespace samara::convert {
namespace {

struct Field {
  std::size_t offset, size;
};
constexpr Field kName{0, 100}, kMode{100, 8}, kUid{108, 8}, kGid{116, 8}, kSize{124, 12}, kMtime{136, 12},
    kChecksum{148, 8}, kLink{157, 100}, kMagic{257, 8}, kMajor{329, 8}, kMinor{337, 8}, kPrefix{345, 155},
    kStarPrefix{345, 131}, kStarTrailer{508, 4}, kGnuAtime{345, 12}, kGnuCtime{357, 12}, kGnuSparse{386, 96},
    kGnuExtended{482, 1}, kGnuRealSize{483, 12}, kExtensionSparse{0, 504}, kExtensionExtended{504, 1};
constexpr std::size_t kTypeOffset = 156;

std::span<const std::uint8_t> bytes(TarBlock block, Field field) { return block.subspan(field.offset, field.size); }

/// Up to the first NUL.
std::string_view string_field(TarBlock block, Field field) {
  const std::string_view all = as_text(bytes(block, field));
  return all.substr(0, all.find('\0'));
}

std::optional<std::int64_t> parse_base256(std::span<const std::uint8_t> field) {
  const std::uint8_t inversion = (field[0] & 0x40) != 0 ? 0xff : 0;
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < field.size(); ++i) {
    std::uint8_t b = field[i] ^ inversion;
    if (i == 0) b &= 0x7f;
    if (value >> 56 != 0) return std::nullopt;
    value = value << 8 | b;
  }
  if (value >> 63 != 0) return std::nullopt;
  const auto result = static_cast<std::int64_t>(value);
  return inversion != 0 ? ~result : result;
}

bool checksum_matches(TarBlock block) {
  const auto expected = parse_tar_number(bytes(block, kChecksum));
  std::int64_t as_unsigned = 0, as_signed = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const bool inside = i >= kChecksum.offset && i < kChecksum.offset + kChecksum.size;
    const std::uint8_t b = inside ? ' ' : block[i];
    as_unsigned += b;
    as_signed += static_cast<std::int8_t>(b);
  }
  return expected && (*expected == as_unsigned || *expected == as_signed);
}

TarDialect dialect_of(TarBlock block) {
  const std::string_view magic = as_text(bytes(block, kMagic));
  if (magic.substr(0, 6) == std::string_view("ustar\0", 6)) {
    return as_text(bytes(block, kStarTrailer)) == std::string_view("tar\0", 4) ? TarDialect::kStar : TarDialect::kUstar;
  }
  return magic == std::string_view("ustar  \0", 8) ? TarDialect::kGnu : TarDialect::kV7;
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::string_view prefix_of(TarBlock block, TarDialect dialect) {
  switch (dialect) {
    case TarDialect::kV7:
      return {};
    case TarDialect::kUstar:
      return string_field(block, kPrefix);
    case TarDialect::kStar:
      return string_field(block, kStarPrefix);
    case TarDialect::kGnu:
      break;
  }
  const auto is_time = [&](Field field) { return block[field.offset] == 0 || parse_tar_number(bytes(block, field)); };
  if (is_time(kGnuAtime) && is_time(kGnuCtime)) return {};
  const std::string_view prefix = string_field(block, kPrefix);
  return is_ascii(prefix) ? prefix : std::string_view();
}

absl::Status bad_field(std::string_view what) {
  return absl::DataLossError(str_cat("tar header: ", what, " isn't a number"));
}

/// Entries of 12 + 12 bytes until one that is empty.
absl::Status append_entries(std::span<const std::uint8_t> entries, SparseMap& map) {
  for (std::size_t at = 0; at + 24 <= entries.size() && entries[at] != 0; at += 24) {
    const auto offset = parse_tar_number(entries.subspan(at, 12)), size = parse_tar_number(entries.subspan(at + 12, 12));
    if (!offset || !size || *offset < 0 || *size < 0) return bad_field("sparse map");
    SAMARA_RETURN_IF_ERROR(append_segment(map, static_cast<std::uint64_t>(*offset), static_cast<std::uint64_t>(*size)));
  }
  return absl::OkStatus();
}

}  // namespace

bool is_zero_block(TarBlock block) {
  return std::all_of(block.begin(), block.end(), [](std::uint8_t b) { return b == 0; });
}

std::optional<std::int64_t> parse_tar_number(std::span<const std::uint8_t> field) {
  if (!field.empty() && (field[0] & 0x80) != 0) return parse_base256(field);
  std::string_view text = as_text(field);
  const auto first = text.find_first_not_of(std::string_view(" \0", 2));
  if (first == std::string_view::npos) return 0;
  text = text.substr(first);
  text = text.substr(0, text.find('\0'));
  text = text.substr(0, text.find_last_not_of(' ') + 1);
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '7' || value >> 60 != 0) return std::nullopt;
    value = value << 3 | static_cast<std::uint64_t>(c - '0');
  }
  return static_cast<std::int64_t>(value);
}

absl::StatusOr<TarHeader> parse_tar_header(TarBlock block) {
  if (!checksum_matches(block)) return absl::DataLossError("tar header: checksum differs");
  TarHeader header;
  header.dialect = dialect_of(block);
  header.type = static_cast<char>(block[kTypeOffset]);
  const auto number = [&](Field field, std::int64_t& to) {
    const auto value = parse_tar_number(bytes(block, field));
    if (value) to = *value;
    return value.has_value();
  };
  if (!number(kMode, header.mode)) return bad_field("mode");
  if (!number(kUid, header.uid)) return bad_field("uid");
  if (!number(kGid, header.gid)) return bad_field("gid");
  if (!number(kSize, header.size)) return bad_field("size");
  if (!number(kMtime, header.mtime)) return bad_field("mtime");
  if (header.dialect != TarDialect::kV7) {
    if (!number(kMajor, header.device_major)) return bad_field("device major");
    if (!number(kMinor, header.device_minor)) return bad_field("device minor");
  }
  const std::string_view prefix = prefix_of(block, header.dialect);
  if (!prefix.empty()) header.name = str_cat(prefix, "/");
  header.name += string_field(block, kName);
  header.link_target = string_field(block, kLink);
  return header;
}

absl::StatusOr<OldSparseHeader> parse_old_sparse_header(TarBlock block, SparseMap& map) {
  const auto size = parse_tar_number(bytes(block, kGnuRealSize));
  if (!size || *size < 0) return bad_field("real size");
  SAMARA_RETURN_IF_ERROR(append_entries(bytes(block, kGnuSparse), map));
  return OldSparseHeader{.real_size = static_cast<std::uint64_t>(*size), .extended = block[kGnuExtended.offset] != 0};
}

absl::StatusOr<bool> parse_old_sparse_extension(TarBlock block, SparseMap& map) {
  SAMARA_RETURN_IF_ERROR(append_entries(bytes(block, kExtensionSparse), map));
  return block[kExtensionExtended.offset] != 0;
}

}  // namespace samara::convert
