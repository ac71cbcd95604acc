#pragma once

#include <optional>
#include <string_view>

#include "base/byte_range.h"
#include "base/digest.h"
#include "base/http/server.h"
#include "cache_index/cache.h"

namespace samara::registry_proxy {

/// What of `size` bytes a request with this Range value (empty: none) gets.
struct RangeAnswer {
  ByteRange range;
  std::uint64_t size = 0;
  bool partial = false;

  /// Adds the headers of a blob and begins 200 or 206.
  absl::Status begin(const Digest& digest, http::ResponseWriter& out) const;
};

/// nullopt when there is nothing to send; 416 has been answered then.
std::optional<RangeAnswer> choose_range(std::string_view range_header, std::uint64_t size, http::ResponseWriter& out);

/// Answers with a complete object, or the range of it that was asked for.
void answer_object(const cache_index::ObjectFile& object, const Digest& digest, std::string_view range_header,
                   http::ResponseWriter& out);

}  // namespace samara::registry_proxy
