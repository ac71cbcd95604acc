#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace samara::convert {

/// A part of a sparse file that the archive holds; what lies between segments is zeros.
struct SparseSegment {
  std::uint64_t offset = 0, size = 0;
  bool operator==(const SparseSegment&) const = default;
};
using SparseMap = std::vector<SparseSegment>;

inline constexpr std::size_t kMaxSparseSegments = 1u << 18;

/// Errors: DataLoss beyond kMaxSparseSegments.
absl::Status append_segment(SparseMap& map, std::uint64_t offset, std::uint64_t size);

/// In order, without overlap, inside a file of `file_size` bytes, and together exactly `stored_size` bytes; DataLoss
/// otherwise.
absl::Status check_sparse_map(const SparseMap& map, std::uint64_t file_size, std::uint64_t stored_size);

/// "offset,size,offset,size,…" in decimal: pax GNU.sparse.map, format 0.1. Empty gives no segments.
absl::StatusOr<SparseMap> parse_sparse_list(std::string_view list);

/// The map at the beginning of the data of a pax sparse file, format 1.0: decimal lines (the number of segments, then
/// offset and size of each), padded to blocks of 512 bytes.
class SparseMapParser {
 public:
  /// Takes one block; true when the map is complete with it. Errors: DataLoss (not such a map, or unreasonably long).
  absl::StatusOr<bool> add_block(std::string_view block);
  SparseMap take() { return std::move(map_); }

 private:
  absl::Status add_number(std::uint64_t number);

  std::string digits_;
  bool have_count_ = false, have_offset_ = false;
  std::uint64_t left_ = 0;  // segments still to come
  std::uint64_t offset_ = 0;
  SparseMap map_;
};

}  // namespace samara::convert
