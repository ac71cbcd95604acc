#include "object_answer.h"

#include <charconv>

#include "base/text.h"

namespace samara::peer {
namespace {

bool is_number(std::string_view text, std::uint64_t expected) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value == expected;
}

}  // namespace

absl::Status refusal(const std::string& url, int status) {
  const std::string text = str_cat("GET ", url, ": HTTP ", status, " ", http::reason_phrase(status));
  if (is_denied(status)) return absl::UnavailableError(str_cat(text, ": the site doesn't let this node in"));
  if (status == 404 || status == 410) return absl::NotFoundError(text);
  if (status == 416) return absl::DataLossError(text);  // its object is shorter than ours
  return absl::UnavailableError(text);
}

absl::Status check_head(const http::ResponseHead& head, const std::string& url, const ByteRange& range) {
  if (head.status == 206) {
    const absl::StatusOr<ContentRange> given = parse_content_range(head.headers.get("Content-Range"));
    if (given.ok() && given->range == range) return absl::OkStatus();
    return absl::DataLossError(str_cat("GET ", url, ": HTTP 206 with another range than ", to_range_header(range)));
  }
  if (head.status == 200) {
    if (range.begin == 0 && is_number(head.headers.get("Content-Length"), range.size())) return absl::OkStatus();
    return absl::DataLossError(str_cat("GET ", url, ": HTTP 200 in answer to ", to_range_header(range)));
  }
  return refusal(url, head.status);
}

}  // namespace samara::peer
