#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace samara::convert {

/// Key -> value of a pax extended header; a key that comes twice has its last value. The pairs of
/// GNU.sparse.offset / GNU.sparse.numbytes (sparse format 0.0, where keys repeat) are folded into GNU.sparse.map
/// (format 0.1).
using PaxRecords = std::map<std::string, std::string>;

/// Shape:  records of "LENGTH KEY=VALUE\n", LENGTH in decimal and counting the whole record.
/// Errors: DataLoss.
/// Source: POSIX.1-2017 pax, "pax Extended Header"; GNU tar manual, "Storing Sparse Files".
absl::StatusOr<PaxRecords> parse_pax(std::string_view content);

/// A decimal number with an optional sign; nullopt for anything else.
std::optional<std::int64_t> parse_decimal(std::string_view text);

struct PaxTime {
  std::int64_t seconds = 0;
  std::uint32_t nanoseconds = 0;
};
/// "[-]SECONDS[.FRACTION]"; digits beyond nanoseconds are cut off. nullopt for anything else.
std::optional<PaxTime> parse_pax_time(std::string_view text);

/// Extended attributes: SCHILY.xattr.NAME (raw), and LIBARCHIVE.xattr.NAME (name %-escaped, value base64) where the
/// former isn't given. Errors: DataLoss (not base64).
absl::StatusOr<std::map<std::string, std::string>> pax_xattrs(const PaxRecords& records);

inline constexpr std::size_t kMaxPaxBytes = 1u << 20;

}  // namespace samara::convert
