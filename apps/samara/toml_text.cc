#include "toml_text.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_join.h"
#include "base/text.h"

namespace samara::cli {
namespace {

constexpr std::string_view kAdded = "  # added by samara node setup";
constexpr std::string_view kChanged = "  # set by samara node setup; was: ";

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    lines.emplace_back(line);
  }
  return lines;
}

/// Takes one part of a dotted key off the front: bare or quoted. nullopt when there is none.
std::optional<std::string> take_part(std::string_view& text) {
  text = trim(text);
  if (text.empty()) return std::nullopt;
  if (text[0] == '"' || text[0] == '\'') {
    const std::size_t end = text.find(text[0], 1);
    if (end == std::string_view::npos) return std::nullopt;
    std::string part(text.substr(1, end - 1));
    text.remove_prefix(end + 1);
    return part;
  }
  const std::size_t end = std::min(text.size(), text.find_first_of(" \t.]="));
  if (end == 0) return std::nullopt;
  std::string part(text.substr(0, end));
  text.remove_prefix(end);
  return part;
}

bool is_header(std::string_view line) { return trim(line).starts_with('['); }

/// The parts of "[a.b]"; empty for anything else, "[[a]]" too.
std::vector<std::string> table_of(std::string_view line) {
  std::string_view rest = trim(line);
  if (!rest.starts_with('[') || rest.starts_with("[[")) return {};
  rest.remove_prefix(1);
  std::vector<std::string> parts;
  while (true) {
    std::optional<std::string> part = take_part(rest);
    if (!part) return {};
    parts.push_back(*std::move(part));
    rest = trim(rest);
    if (rest.starts_with(']')) return parts;
    if (!rest.starts_with('.')) return {};
    rest.remove_prefix(1);
  }
}

bool has_key(std::string_view line, std::string_view key) {
  std::string_view rest = line;
  const std::optional<std::string> part = take_part(rest);
  return part == key && trim(rest).starts_with('=');
}

std::string_view value_of(std::string_view line) {
  std::string_view value = trim(line.substr(line.find('=') + 1));
  if (value.starts_with('"')) return value.substr(0, std::min(value.size(), value.find('"', 1) + 1));
  return trim(value.substr(0, value.find('#')));
}

std::string header_of(const std::vector<std::string>& table) {
  std::vector<std::string> parts;
  for (const std::string& part : table) {
    const bool is_bare = part.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
                         std::string::npos;
    parts.push_back(is_bare ? part : toml_string(part));
  }
  return str_cat("[", absl::StrJoin(parts, "."), "]");
}

/// The mark that a line has, or gets when its value changes.
std::string mark_of(const std::string& line) {
  for (const std::string_view mark : {kAdded, kChanged}) {
    if (const std::size_t at = line.find(mark); at != std::string::npos) return line.substr(at);
  }
  return str_cat(kChanged, trim(line));
}

}  // namespace

std::string toml_string(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

TomlText::TomlText(std::string_view text) : lines_(split_lines(text)) {}

std::string TomlText::text() const { return lines_.empty() ? "" : absl::StrJoin(lines_, "\n") + "\n"; }

void TomlText::set(const std::vector<std::string>& table, std::string_view key, std::string_view value) {
  const auto header = std::find_if(lines_.begin(), lines_.end(), [&](const auto& line) { return table_of(line) == table; });
  if (header == lines_.end()) {
    if (!lines_.empty() && !trim(lines_.back()).empty()) lines_.push_back(std::string(trim(kAdded)));
    lines_.push_back(str_cat(header_of(table), kAdded));
    lines_.push_back(str_cat("  ", key, " = ", value, kAdded));
    return;
  }
  const auto end = std::find_if(header + 1, lines_.end(), is_header);
  const auto line = std::find_if(header + 1, end, [&](const auto& each) { return has_key(each, key); });
  const std::size_t indent = header->find('[') + 2;
  if (line == end) {
    lines_.insert(header + 1, str_cat(std::string(indent, ' '), key, " = ", value, kAdded));
  } else if (value_of(*line) != value) {
    *line = str_cat(line->substr(0, line->find_first_not_of(" \t")), key, " = ", value, mark_of(*line));
  }
}

std::string TomlText::undo(std::string_view text) {
  std::vector<std::string> kept;
  for (const std::string& line : split_lines(text)) {
    if (line.find(trim(kAdded)) != std::string::npos) continue;
    const std::size_t at = line.find(kChanged);
    if (at == std::string::npos) {
      kept.push_back(line);
    } else {
      kept.push_back(line.substr(0, line.find_first_not_of(" \t")) + line.substr(at + kChanged.size()));
    }
  }
  return kept.empty() ? "" : absl::StrJoin(kept, "\n") + "\n";
}

}  // namespace samara::cli
