#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "sparse_map.h"

namespace samara::convert {

inline constexpr std::size_t kTarBlock = 512;
using TarBlock = std::span<const std::uint8_t, kTarBlock>;

enum class TarDialect { kV7, kUstar, kStar, kGnu };

/// What one 512-byte header says, before extended headers have their word.
struct TarHeader {
  TarDialect dialect = TarDialect::kV7;
  char type = '0';
  std::string name;  ///< ustar's prefix included
  std::string link_target;
  std::int64_t mode = 0, uid = 0, gid = 0, size = 0, mtime = 0, device_major = 0, device_minor = 0;
};

bool is_zero_block(TarBlock block);

/// Reads a header. Numbers are octal or base-256; unsigned and signed checksums are accepted. GNU headers whose
/// atime and ctime aren't numbers carry a ustar prefix there: so did Go's archive/tar until 1.8.
/// Errors: DataLoss (checksum differs, or a field isn't a number).
/// Source: POSIX.1-2017 pax "ustar Interchange Format"; GNU tar manual, "Basic Tar Format".
absl::StatusOr<TarHeader> parse_tar_header(TarBlock block);

/// A numeric field; nullopt when it isn't a number or doesn't fit. Empty (spaces, NULs) is 0.
std::optional<std::int64_t> parse_tar_number(std::span<const std::uint8_t> field);

/// Old GNU sparse files (type 'S'): the map's beginning in the header, the rest in extension blocks.
struct OldSparseHeader {
  std::uint64_t real_size = 0;
  bool extended = false;  ///< an extension block follows
};
/// Appends what the header holds to `map`. Errors: DataLoss.
absl::StatusOr<OldSparseHeader> parse_old_sparse_header(TarBlock block, SparseMap& map);
/// Appends what an extension block holds; true when another follows. Errors: DataLoss.
absl::StatusOr<bool> parse_old_sparse_extension(TarBlock block, SparseMap& map);

}  // namespace samara::convert
