#include "sparse_map.h"

#include <string>

#include "base/status.h"
#include "base/text.h"
#include "pax.h"

namespace samara::convert {
namespace {

absl::Status bad_map(std::string_view what) { return absl::DataLossError(str_cat("sparse map: ", what)); }

}  // namespace

absl::Status append_segment(SparseMap& map, std::uint64_t offset, std::uint64_t size) {
  if (map.size() >= kMaxSparseSegments) return bad_map("too many segments");
  map.push_back({offset, size});
  return absl::OkStatus();
}

absl::Status check_sparse_map(const SparseMap& map, std::uint64_t file_size, std::uint64_t stored_size) {
  std::uint64_t end = 0, stored = 0;
  for (const SparseSegment& segment : map) {
    if (segment.offset < end) return bad_map("segments overlap");
    if (segment.offset > file_size || segment.size > file_size - segment.offset) return bad_map("segment past the end");
    end = segment.offset + segment.size;
    stored += segment.size;  // at most file_size, since segments don't overlap
  }
  if (stored != stored_size) return bad_map(str_cat("names ", stored, " bytes, the archive holds ", stored_size));
  return absl::OkStatus();
}

absl::StatusOr<SparseMap> parse_sparse_list(std::string_view list) {
  SparseMap map;
  while (!list.empty()) {
    std::uint64_t pair[2];
    for (std::uint64_t& number : pair) {
      const auto comma = list.find(',');
      const auto value = parse_decimal(list.substr(0, comma));
      if (!value || *value < 0) return bad_map("not a list of numbers");
      number = static_cast<std::uint64_t>(*value);
      list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
    }
    SAMARA_RETURN_IF_ERROR(append_segment(map, pair[0], pair[1]));
  }
  return map;
}

absl::StatusOr<bool> SparseMapParser::add_block(std::string_view block) {
  for (const char c : block) {
    if (have_count_ && left_ == 0) return true;  // the rest of the block is padding
    if (c != '\n') {
      if (digits_.size() >= 20) return bad_map("number too long");
      digits_ += c;
      continue;
    }
    const auto number = parse_decimal(digits_);
    if (!number || *number < 0) return bad_map("not a number");
    digits_.clear();
    SAMARA_RETURN_IF_ERROR(add_number(static_cast<std::uint64_t>(*number)));
  }
  return have_count_ && left_ == 0;
}

absl::Status SparseMapParser::add_number(std::uint64_t number) {
  if (!have_count_) {
    if (number > kMaxSparseSegments) return bad_map("too many segments");
    have_count_ = true;
    left_ = number;
  } else if (!have_offset_) {
    have_offset_ = true;
    offset_ = number;
  } else {
    have_offset_ = false;
    --left_;
    map_.push_back({offset_, number});
  }
  return absl::OkStatus();
}

}  // namespace samara::convert
