#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace samara {

/// Half-open range of bytes within one blob: [begin, end), begin <= end.
struct ByteRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;

  std::uint64_t size() const { return end - begin; }
  bool empty() const { return begin == end; }
  bool operator==(const ByteRange&) const = default;
};

/// Resolves an HTTP Range value against a blob of `blob_size` bytes.
///
/// Shape:  "bytes=A-B", "bytes=A-" or "bytes=-N"; B is inclusive on the wire.
/// Errors: InvalidArgument  none of those shapes (several ranges included); the caller sends all, 200.
///         OutOfRange       nothing to send; the caller answers 416.
/// Source: RFC 9110 §14.1.2, §14.2, §15.5.17.
absl::StatusOr<ByteRange> parse_range(std::string_view value, std::uint64_t blob_size);

/// What a 206 answer says it holds.
struct ContentRange {
  ByteRange range;
  std::uint64_t total = 0;  ///< size of the whole blob in bytes
};

/// Reads "bytes A-B/TOTAL". InvalidArgument for any other shape, an unknown total ("*") included.
/// Source: RFC 9110 §14.4.
absl::StatusOr<ContentRange> parse_content_range(std::string_view value);

/// "bytes=A-B" for a non-empty range.
std::string to_range_header(const ByteRange& range);

}  // namespace samara
