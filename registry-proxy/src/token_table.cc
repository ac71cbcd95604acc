#include "token_table.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/text.h"
#include "cache_index/hasher.h"

namespace samara::registry_proxy {
namespace {

constexpr std::size_t kLongestName = 64;
constexpr std::size_t kShortestToken = 16, kLongestToken = 512;

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kLongestName && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
  });
}

bool is_token(std::string_view text) {
  return text.size() >= kShortestToken && text.size() <= kLongestToken &&
         std::all_of(text.begin(), text.end(), [](char c) { return absl::ascii_isgraph(static_cast<unsigned char>(c)); });
}

// The time it takes doesn't depend on where they differ.
bool equal(const Digest& a, const Digest& b) {
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.bytes().size(); ++i) difference |= a.bytes()[i] ^ b.bytes()[i];
  return difference == 0;
}

// What follows the scheme, when it is that one.
std::optional<std::string_view> after_scheme(std::string_view authorization, std::string_view scheme) {
  if (authorization.size() <= scheme.size() || authorization[scheme.size()] != ' ' ||
      !absl::EqualsIgnoreCase(to_absl(authorization.substr(0, scheme.size())), to_absl(scheme)))
    return std::nullopt;
  return to_std(absl::StripAsciiWhitespace(to_absl(authorization.substr(scheme.size()))));
}

}  // namespace

absl::StatusOr<TokenTable> TokenTable::parse(std::string_view text, std::string_view file) {
  TokenTable table;
  std::size_t number = 0;
  for (const absl::string_view line : absl::StrSplit(to_absl(text), '\n')) {
    ++number;
    const absl::string_view content = absl::StripAsciiWhitespace(line);
    if (content.empty() || content.front() == '#') continue;
    const auto wrong = [&](std::string_view what) {
      return absl::InvalidArgumentError(str_cat(file, ":", number, ": ", what));
    };
    const std::vector<absl::string_view> words = absl::StrSplit(content, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    if (words.size() != 2) return wrong("not a name and a token");
    const std::string_view name = to_std(words[0]), token = to_std(words[1]);
    if (!is_name(name)) return wrong("the name isn't 1 to 64 of A-Z a-z 0-9 . _ -");
    if (!is_token(token)) return wrong("the token isn't 16 to 512 visible ASCII characters");
    if (table.find(token) != nullptr) return wrong("the token is there already");
    table.entries_.push_back({cache_index::sha256(as_bytes(token)), std::string(name)});
  }
  return table;
}

const std::string* TokenTable::find(std::string_view token) const {
  if (token.size() > kLongestToken) return nullptr;
  const Digest asked = cache_index::sha256(as_bytes(token));
  const std::string* found = nullptr;
  for (const Entry& entry : entries_)
    if (equal(entry.token, asked)) found = &entry.name;
  return found;
}

std::optional<std::string> secret_of(std::string_view authorization) {
  if (const auto token = after_scheme(authorization, "Bearer")) return std::string(*token);
  const auto encoded = after_scheme(authorization, "Basic");
  std::string decoded;
  if (!encoded || !absl::Base64Unescape(to_absl(*encoded), &decoded)) return std::nullopt;
  const std::size_t colon = decoded.find(':');
  if (colon == std::string::npos) return std::nullopt;
  return decoded.substr(colon + 1);
}

}  // namespace samara::registry_proxy
