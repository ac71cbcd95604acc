#include "pages.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "base/text.h"

namespace samara::registry_proxy {
namespace {

using Query = std::vector<std::pair<std::string, std::string>>;

constexpr std::string_view kNamespace = "ns";

void add(std::string& text, std::string_view key, std::string_view value) {
  str_append(&text, text.empty() ? "" : "&", http::percent_encode(key), "=", http::percent_encode(value));
}

std::string encode_path(std::string_view path) {
  std::string text;
  while (!path.empty()) {
    const std::size_t slash = path.find('/', 1);
    const std::string_view part = path.substr(0, slash);
    str_append(&text, "/", http::percent_encode(part.substr(1)));
    path.remove_prefix(std::min(part.size(), path.size()));
  }
  return text;
}

std::string link(const http::Target& request, std::string query) {
  if (const std::string_view ns = request.query_value(kNamespace); !ns.empty()) add(query, kNamespace, ns);
  return str_cat("<", encode_path(request.path), "?", query, ">; rel=\"next\"");
}

bool is_next(std::string_view parameters) {
  std::string compact = absl::AsciiStrToLower(to_absl(parameters));
  std::erase_if(compact, [](char c) { return c == ' ' || c == '"'; });
  return compact.find(";rel=next") != std::string::npos;
}

// The reference in "<…>; rel=next"; empty when there is none.
std::string_view next_reference(std::string_view links) {
  while (true) {
    const std::size_t open = links.find('<');
    if (open == std::string_view::npos) return {};
    const std::size_t close = links.find('>', open);
    if (close == std::string_view::npos) return {};
    const std::string_view reference = links.substr(open + 1, close - open - 1);
    links.remove_prefix(close + 1);
    if (is_next(links.substr(0, links.find('<')))) return reference;
  }
}

}  // namespace

absl::StatusOr<Page> page_of(const std::vector<std::string>& sorted, const http::Target& request, std::size_t limit) {
  std::uint64_t n = limit;
  const std::string_view asked = request.query_value("n");
  if (!asked.empty() && !absl::SimpleAtoi(to_absl(asked), &n)) return absl::InvalidArgumentError("n isn't a number");
  const std::size_t size = std::min<std::uint64_t>(n, limit);
  const std::string last(request.query_value("last"));
  const auto begin = last.empty() ? sorted.begin() : std::upper_bound(sorted.begin(), sorted.end(), last);
  const auto end = begin + static_cast<std::ptrdiff_t>(std::min<std::size_t>(size, static_cast<std::size_t>(sorted.end() - begin)));
  return Page{{begin, end}, end != sorted.end() && size > 0};
}

bool is_page(const std::vector<std::string>& names, const http::Target& request) {
  std::uint64_t n = 0;
  const std::string_view last = request.query_value("last");
  if (absl::SimpleAtoi(to_absl(request.query_value("n")), &n) && names.size() > n) return false;
  if (!last.empty() && std::find(names.begin(), names.end(), last) != names.end()) return false;
  const auto without_case = [](const std::string& a, const std::string& b) {
    return absl::AsciiStrToLower(a) < absl::AsciiStrToLower(b);
  };
  return std::is_sorted(names.begin(), names.end()) || std::is_sorted(names.begin(), names.end(), without_case);
}

std::string next_link(const http::Target& request, const Page& page) {
  std::string query;
  add(query, "n", str_cat(page.names.size()));
  add(query, "last", page.names.back());
  return link(request, std::move(query));
}

std::string upstream_query(const http::Target& request) {
  std::string query;
  for (const auto& [key, value] : request.query)
    if (key != kNamespace) add(query, key, value);
  return query;
}

std::string translate_link(std::string_view upstream_link, const http::Target& request) {
  const std::string_view reference = next_reference(upstream_link);
  const std::size_t mark = reference.find('?');
  if (mark == std::string_view::npos) return {};
  const std::string_view query = reference.substr(mark + 1, reference.find('#') - mark - 1);
  const auto target = http::parse_target(str_cat("/?", query));
  return target ? link(request, upstream_query(*target)) : std::string();
}

}  // namespace samara::registry_proxy
