// What the mirror reads of a request, and of the lists that upstream answers with: paths, conditions, Accept, Link,
// indexes. The first line of the input is a request target, the second a header value, the rest a body.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "conditions.h"
#include "pages.h"
#include "referrers.h"
#include "route.h"

namespace {

std::string_view take_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(line.size() + 1, text.size()));
  return line;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace samara;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto target = http::parse_target(take_line(rest));
  const std::string_view value = take_line(rest);
  if (target) {
    (void)registry_proxy::parse_route(target->path);
    const std::string link = registry_proxy::translate_link(value, *target);
    if (!link.empty() && registry_proxy::translate_link(link, *target).empty()) __builtin_trap();
    const auto page = registry_proxy::page_of({"a", "b", "c"}, *target, 2);
    if (page.ok() && page->names.size() > 2) __builtin_trap();
    if (page.ok() && page->more) (void)registry_proxy::next_link(*target, *page);
  }
  http::Headers headers;
  for (const char* name : {"Accept", "If-None-Match", "If-Range", "Range"}) headers.add(name, value);
  (void)registry_proxy::accepts(headers, "application/json");
  (void)registry_proxy::has_already(headers, Digest());
  (void)registry_proxy::effective_range(headers, Digest());
  if (!registry_proxy::is_index(registry_proxy::filter_by_type(rest, value))) __builtin_trap();
  return 0;
}
