#include "conditions.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "base/text.h"

namespace samara::registry_proxy {
namespace {

std::string_view trim(std::string_view text) { return to_std(absl::StripAsciiWhitespace(to_absl(text))); }
bool same(std::string_view a, std::string_view b) { return absl::EqualsIgnoreCase(to_absl(a), to_absl(b)); }

// Calls `test` for each element of a list in header fields of this name until one passes.
template <typename Test>
bool any_element(const http::Headers& headers, std::string_view name, const Test& test) {
  for (const auto& [key, value] : headers.fields()) {
    if (!same(key, name)) continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      const std::string_view element = rest.substr(0, rest.find(','));
      rest.remove_prefix(std::min(element.size() + 1, rest.size()));
      if (test(trim(element))) return true;
    }
  }
  return false;
}

// "q=0", "q=0.000": not this one.
bool is_refusal(std::string_view parameter) {
  const std::string_view text = trim(parameter);
  return text.size() > 2 && same(text.substr(0, 2), "q=") &&
         text.substr(2).find_first_not_of("0.") == std::string_view::npos;
}

bool refuses(std::string_view parameters) {
  while (!parameters.empty()) {
    const std::string_view parameter = parameters.substr(0, parameters.find(';'));
    parameters.remove_prefix(std::min(parameter.size() + 1, parameters.size()));
    if (is_refusal(parameter)) return true;
  }
  return false;
}

bool covers(std::string_view range, std::string_view media_type) {
  if (range == "*/*" || same(range, media_type)) return true;
  return range.ends_with("/*") && absl::StartsWithIgnoreCase(to_absl(media_type), to_absl(range.substr(0, range.size() - 1)));
}

}  // namespace

std::string etag_of(const Digest& digest) { return str_cat("\"", digest.to_string(), "\""); }

bool has_already(const http::Headers& request, const Digest& digest) {
  const std::string etag = etag_of(digest);
  return any_element(request, "If-None-Match", [&](std::string_view element) {
    if (element.starts_with("W/")) element.remove_prefix(2);
    return element == "*" || element == etag;
  });
}

std::string_view effective_range(const http::Headers& request, const Digest& digest) {
  const auto condition = request.find("If-Range");
  if (condition && trim(*condition) != etag_of(digest)) return {};
  return request.get("Range");
}

bool accepts(const http::Headers& request, std::string_view media_type) {
  if (!request.find("Accept")) return true;
  return any_element(request, "Accept", [&](std::string_view element) {
    const std::size_t end = std::min(element.find(';'), element.size());
    return covers(trim(element.substr(0, end)), media_type) && !refuses(element.substr(end));
  });
}

}  // namespace samara::registry_proxy
