// Any bytes as a request head, and what follows from it: target and Range.
#include <cstdint>
#include <cstdlib>

#include "base/byte_range.h"
#include "base/file.h"
#include "request_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace samara;
  http::RequestReader reader;
  const auto result = reader.parse(as_text({data, size}));
  if (result.outcome == http::RequestReader::Outcome::kRefuse && (result.status < 400 || result.reason.empty())) std::abort();
  if (result.outcome != http::RequestReader::Outcome::kRequest) return 0;
  if (!result.request.target.path.starts_with('/')) std::abort();
  constexpr std::uint64_t kSize = 1000;
  const auto range = parse_range(result.request.headers.get("Range"), kSize);
  if (range.ok() && (range->empty() || range->begin > range->end || range->end > kSize)) std::abort();
  const auto content_range = parse_content_range(result.request.headers.get("Content-Range"));
  if (content_range.ok() && (content_range->range.empty() || content_range->range.end > content_range->total)) std::abort();
  return 0;
}
