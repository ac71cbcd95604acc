#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/digest.h"
#include "base/status.h"
#include "base/text.h"

namespace samara::peer {

/// One line, of at most 1024 bytes, whatever a text from outside holds.
inline std::string one_line(std::string_view text) {
  std::string line(text.substr(0, 1024));
  std::replace_if(line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return line;
}

/// "key value" lines by key, as nodes and sites answer each other; of a repeated key the last counts. Views into the
/// text, which must outlive this. Errors: InvalidArgument, naming the key.
class ProtocolLines {
 public:
  explicit ProtocolLines(std::string_view text) {
    while (!text.empty()) {
      const std::string_view line = text.substr(0, text.find('\n'));
      text.remove_prefix(std::min(text.size(), line.size() + 1));
      const std::size_t space = line.find(' ');
      if (space != std::string_view::npos) values_[line.substr(0, space)] = line.substr(space + 1);
    }
  }

  std::string_view text(std::string_view key) const {
    const auto it = values_.find(key);
    return it == values_.end() ? std::string_view() : it->second;
  }

  absl::Status number(std::string_view key, std::uint64_t& value) const {
    const std::string_view digits = text(key);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error == std::errc() && end == digits.data() + digits.size()) return absl::OkStatus();
    return absl::InvalidArgumentError(str_cat("an answer without a number ", key));
  }

  absl::Status digest(std::string_view key, Digest& value) const {
    const absl::StatusOr<Digest> parsed = Digest::parse(text(key));
    if (!parsed.ok()) return annotate(parsed.status(), str_cat("an answer's ", key));
    value = *parsed;
    return absl::OkStatus();
  }

 private:
  std::map<std::string_view, std::string_view> values_;
};

}  // namespace samara::peer
