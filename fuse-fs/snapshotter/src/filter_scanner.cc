#include "filter_scanner.h"

#include "absl/strings/ascii.h"
#include "base/status.h"
#include "base/text.h"

namespace samara::snapshotter {
namespace {

bool is_word_char(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_'; }
bool is_space(char c) { return absl::ascii_isspace(static_cast<unsigned char>(c)); }

// How many digits an escape has and in which base; 0 digits when `c` begins none.
struct Numeric {
  std::size_t digits;
  std::uint32_t base;
};
Numeric numeric_escape(char c) {
  if (c == 'x') return {2, 16};
  if (c == 'u') return {4, 16};
  if (c == 'U') return {8, 16};
  if (c >= '0' && c <= '7') return {3, 8};
  return {0, 0};
}

// The character a one-letter escape stands for; 0 for none.
char simple_escape(char c) {
  constexpr std::string_view kLetters = "abfnrtv\\";
  constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\";
  const std::size_t at = kLetters.find(c);
  return at == std::string_view::npos ? '\0' : kMeanings[at];
}

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = absl::ascii_tolower(static_cast<unsigned char>(c));
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

void append_utf8(std::uint32_t rune, std::string& out) {
  if (rune < 0x80) {
    out.push_back(static_cast<char>(rune));
    return;
  }
  const int more = rune < 0x800 ? 1 : rune < 0x10000 ? 2 : 3;
  constexpr std::uint8_t kLead[] = {0, 0xC0, 0xE0, 0xF0};
  out.push_back(static_cast<char>(kLead[more] | rune >> (6 * more)));
  for (int i = more - 1; i >= 0; --i) out.push_back(static_cast<char>(0x80 | (rune >> (6 * i) & 0x3F)));
}

}  // namespace

absl::Status FilterScanner::error(std::string_view what) const {
  return absl::InvalidArgumentError(
      str_cat("filter \"", text_.substr(0, 200), "\", at ", text_.size() - rest_.size(), ": ", what));
}

void FilterScanner::skip_space() {
  while (!rest_.empty() && is_space(rest_.front())) rest_.remove_prefix(1);
}

bool FilterScanner::at_end() {
  skip_space();
  return rest_.empty();
}

bool FilterScanner::take(std::string_view what) {
  skip_space();
  if (!rest_.starts_with(what)) return false;
  rest_.remove_prefix(what.size());
  return true;
}

absl::StatusOr<std::vector<std::string>> FilterScanner::field() {
  std::vector<std::string> path;
  do {
    SAMARA_ASSIGN_OR_RETURN(std::string part, word());
    path.push_back(std::move(part));
  } while (take("."));
  return path;
}

absl::StatusOr<std::string> FilterScanner::word() {
  skip_space();
  if (!rest_.empty() && rest_.front() == '"') return quoted();
  std::size_t length = 0;
  while (length < rest_.size() && is_word_char(rest_[length])) ++length;
  if (length == 0) return error("a field name is missing");
  std::string word(rest_.substr(0, length));
  rest_.remove_prefix(length);
  return word;
}

absl::StatusOr<std::string> FilterScanner::value(bool delimited) {
  skip_space();
  if (rest_.empty()) return error("a value is missing");
  const char first = rest_.front();
  if (first == '"' || (delimited && (first == '/' || first == '|'))) return quoted();
  std::size_t length = 0;
  while (length < rest_.size() && rest_[length] != ',' && !is_space(rest_[length])) ++length;
  if (length == 0) return error("a value is missing");
  std::string value(rest_.substr(0, length));
  rest_.remove_prefix(length);
  return value;
}

// Reads from the opening to the closing quote. Between / / and | | only the delimiter itself needs a backslash: the
// rest belongs to the regular expression.
absl::StatusOr<std::string> FilterScanner::quoted() {
  const char quote = rest_.front();
  rest_.remove_prefix(1);
  std::string out;
  while (!rest_.empty()) {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    if (c == quote) return out;
    if (c == '\\') {
      SAMARA_RETURN_IF_ERROR(escape(quote, out));
    } else {
      out.push_back(c);
    }
  }
  return error("a closing quote is missing");
}

absl::Status FilterScanner::escape(char quote, std::string& out) {
  if (rest_.empty()) return error("a backslash at the end");
  const char c = rest_.front();
  if (c == quote) {
    out.push_back(c);
    rest_.remove_prefix(1);
    return absl::OkStatus();
  }
  if (quote != '"') {
    out.push_back('\\');
    return absl::OkStatus();
  }
  if (const char meaning = simple_escape(c)) {
    out.push_back(meaning);
    rest_.remove_prefix(1);
    return absl::OkStatus();
  }
  const auto [digits, base] = numeric_escape(c);
  if (digits == 0) return error("an unknown escape");
  if (base == 16) rest_.remove_prefix(1);
  if (rest_.size() < digits) return error("an escape cut short");
  std::uint32_t rune = 0;
  for (const char digit : rest_.substr(0, digits)) {
    const int value = digit_value(digit);
    if (value >= static_cast<int>(base)) return error("an escape with a wrong digit");
    rune = rune * base + static_cast<std::uint32_t>(value);
  }
  rest_.remove_prefix(digits);
  const bool is_byte = digits < 4;
  if (rune > (is_byte ? 0xFFu : 0x10FFFFu)) return error("an escape beyond the last character");
  if (is_byte) {
    out.push_back(static_cast<char>(rune));
  } else {
    append_utf8(rune, out);
  }
  return absl::OkStatus();
}

}  // namespace samara::snapshotter
