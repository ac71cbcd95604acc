#include "range_answer.h"

#include "base/text.h"
#include "conditions.h"

namespace samara::registry_proxy {

absl::Status RangeAnswer::begin(const Digest& digest, http::ResponseWriter& out) const {
  out.header("Content-Type", "application/octet-stream");
  out.header("Docker-Content-Digest", digest.to_string());
  out.header("ETag", etag_of(digest));
  out.header("Accept-Ranges", "bytes");
  if (partial) out.header("Content-Range", str_cat("bytes ", range.begin, "-", range.end - 1, "/", size));
  return out.begin(partial ? 206 : 200, range.size());
}

std::optional<RangeAnswer> choose_range(std::string_view range_header, std::uint64_t size, http::ResponseWriter& out) {
  RangeAnswer all{{0, size}, size, false};
  if (range_header.empty()) return all;
  const auto range = parse_range(range_header, size);
  if (range.ok()) return RangeAnswer{*range, size, true};
  if (!absl::IsOutOfRange(range.status())) return all;
  out.header("Content-Range", str_cat("bytes */", size));
  (void)out.respond(416);  // a client that left needs no answer
  return std::nullopt;
}

void answer_object(const cache_index::ObjectFile& object, const Digest& digest, std::string_view range_header,
                   http::ResponseWriter& out) {
  const auto answer = choose_range(range_header, object.size, out);
  if (!answer || !answer->begin(digest, out).ok() || out.is_head() || answer->range.empty()) return;
  (void)out.write_file(object.fd.get(), answer->range.begin, answer->range.size());  // the server notes a cut
}

}  // namespace samara::registry_proxy
