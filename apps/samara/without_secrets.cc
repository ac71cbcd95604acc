#include "without_secrets.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "base/text.h"

namespace samara::cli {
namespace {

constexpr std::string_view kLeftOut = "(left out)";

bool names_a_secret(std::string_view key) {
  const std::string lower = absl::AsciiStrToLower(to_absl(key));
  const auto speaks_of = [&](std::string_view word) { return lower.find(word) != lower.npos; };
  return speaks_of("passw") || speaks_of("token") || speaks_of("key") || speaks_of("secret") || speaks_of("credential");
}

/// How a value that begins so ends: after which text; empty: with its line.
std::string_view end_of(std::string_view value) {
  value.remove_prefix(std::min(value.size(), value.find_first_not_of(" \t")));
  for (const std::string_view quotes : {"\"\"\"", "'''"})
    if (value.starts_with(quotes)) return value.substr(3).find(quotes) == value.npos ? quotes : std::string_view();
  if (value.starts_with('[') && value.find(']') == value.npos) return "]";
  return "";
}

}  // namespace

std::string without_credentials(std::string_view text) {
  std::string out;
  while (true) {
    const std::size_t scheme = text.find("://");
    if (scheme == text.npos) return out.append(text);
    out.append(text.substr(0, scheme + 3));
    text.remove_prefix(scheme + 3);
    // A password may have an '@' of its own: the last one before the URL's path counts.
    const std::size_t end = std::min(text.find_first_of("/ \t\r\n\"'<>"), text.size());
    const std::size_t sign = text.substr(0, end).rfind('@');
    if (sign == text.npos) continue;
    out.append(kLeftOut);
    text.remove_prefix(sign);
  }
}

std::string without_secrets(std::string_view toml) {
  std::string out;
  std::string_view until;  // of a secret that goes on
  while (!toml.empty()) {
    const std::string_view line = toml.substr(0, toml.find('\n'));
    toml.remove_prefix(std::min(toml.size(), line.size() + 1));
    if (!until.empty()) {
      if (line.find(until) != line.npos) until = {};
      continue;
    }
    const std::size_t equals = line.find('=');
    const std::string_view key = line.substr(0, equals);
    if (equals != line.npos && names_a_secret(key)) {
      until = end_of(line.substr(equals + 1));
      str_append(&out, without_credentials(key), "= \"", kLeftOut, "\"\n");
    } else {
      str_append(&out, without_credentials(line), "\n");
    }
  }
  return out;
}

}  // namespace samara::cli
