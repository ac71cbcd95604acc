#include "base/byte_range.h"

#include <algorithm>
#include <optional>

#include "absl/strings/numbers.h"
#include "base/text.h"


namespace samara {
namespace {

// Digits only: SimpleAtoi would also take a sign and spaces.
std::optional<std::uint64_t> parse_digits(std::string_view text) {
  if (text.empty() || !std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return std::nullopt;
  std::uint64_t value = 0;
  if (!absl::SimpleAtoi(to_absl(text), &value)) return std::nullopt;
  return value;
}

absl::Status not_a_range(std::string_view value) {
  return absl::InvalidArgumentError(str_cat("not a byte range: ", value));
}

}  // namespace

absl::StatusOr<ByteRange> parse_range(std::string_view value, std::uint64_t blob_size) {
  constexpr std::string_view kUnit = "bytes=";
  if (!value.starts_with(kUnit)) return not_a_range(value);
  const std::string_view spec = value.substr(kUnit.size());
  const std::size_t dash = spec.find('-');
  if (dash == std::string_view::npos) return not_a_range(value);
  const std::string_view first = spec.substr(0, dash), last = spec.substr(dash + 1);

  if (first.empty()) {  // the last N bytes
    const auto suffix = parse_digits(last);
    if (!suffix) return not_a_range(value);
    if (*suffix == 0 || blob_size == 0) return absl::OutOfRangeError("empty suffix range");
    return ByteRange{blob_size - std::min(*suffix, blob_size), blob_size};
  }
  const auto begin = parse_digits(first);
  if (!begin) return not_a_range(value);
  std::uint64_t end = blob_size;
  if (!last.empty()) {
    const auto inclusive = parse_digits(last);
    if (!inclusive || *inclusive < *begin) return not_a_range(value);
    if (*inclusive < blob_size) end = *inclusive + 1;
  }
  if (*begin >= blob_size) return absl::OutOfRangeError(str_cat("range starts at ", *begin, " of ", blob_size));
  return ByteRange{*begin, end};
}

absl::StatusOr<ContentRange> parse_content_range(std::string_view value) {
  constexpr std::string_view kUnit = "bytes ";
  const std::size_t dash = value.find('-'), slash = value.find('/');
  if (!value.starts_with(kUnit) || dash == std::string_view::npos || slash == std::string_view::npos || dash > slash)
    return not_a_range(value);
  const auto begin = parse_digits(value.substr(kUnit.size(), dash - kUnit.size()));
  const auto last = parse_digits(value.substr(dash + 1, slash - dash - 1));
  const auto total = parse_digits(value.substr(slash + 1));
  if (!begin || !last || !total || *last < *begin || *last >= *total) return not_a_range(value);
  return ContentRange{{*begin, *last + 1}, *total};
}

std::string to_range_header(const ByteRange& range) { return str_cat("bytes=", range.begin, "-", range.end - 1); }

}  // namespace samara
