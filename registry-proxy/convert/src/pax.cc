#include "pax.h"

#include <charconv>
#include <limits>

#include "absl/strings/escaping.h"
#include "base/status.h"
#include "base/text.h"

namespace samara::convert {
namespace {

constexpr std::string_view kSchily = "SCHILY.xattr.", kLibarchive = "LIBARCHIVE.xattr.";
constexpr std::string_view kSparseMap = "GNU.sparse.map";

absl::Status bad_pax(std::string_view what) { return absl::DataLossError(str_cat("pax header: ", what)); }

struct Record {
  std::string_view key, value;
};

/// Takes one record off the front of `content`.
absl::StatusOr<Record> next_record(std::string_view& content) {
  const auto space = content.find(' ');
  if (space == std::string_view::npos) return bad_pax("record without a length");
  const auto length = parse_decimal(content.substr(0, space));
  if (!length || *length < 0 || static_cast<std::uint64_t>(*length) > content.size() ||
      static_cast<std::uint64_t>(*length) < space + 2) {
    return bad_pax("wrong record length");
  }
  const std::string_view record = content.substr(space + 1, static_cast<std::size_t>(*length) - space - 1);
  if (record.back() != '\n') return bad_pax("record doesn't end where it should");
  content.remove_prefix(static_cast<std::size_t>(*length));
  const auto equals = record.find('=');
  if (equals == std::string_view::npos || equals == 0) return bad_pax("record without a key");
  return Record{record.substr(0, equals), record.substr(equals + 1, record.size() - equals - 2)};
}

bool must_be_text(std::string_view key) {
  return key == "path" || key == "linkpath" || key == "uname" || key == "gname" || key == "GNU.sparse.name";
}

bool starts_with(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string unescape_percent(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escaped = text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0;
    out += escaped ? static_cast<char>(hex_value(text[i + 1]) << 4 | hex_value(text[i + 2])) : text[i];
    if (escaped) i += 2;
  }
  return out;
}

}  // namespace

absl::StatusOr<PaxRecords> parse_pax(std::string_view content) {
  PaxRecords records;
  std::string sparse;
  bool offset_came = false;
  while (!content.empty()) {
    SAMARA_ASSIGN_OR_RETURN(const Record record, next_record(content));
    if (record.key.find('\0') != std::string_view::npos) return bad_pax("NUL in a key");
    if (must_be_text(record.key) && record.value.find('\0') != std::string_view::npos) return bad_pax("NUL in a name");
    const bool is_offset = record.key == "GNU.sparse.offset";
    if (is_offset || record.key == "GNU.sparse.numbytes") {
      if (is_offset == offset_came || record.value.find(',') != std::string_view::npos) return bad_pax("sparse map");
      offset_came = is_offset;
      str_append(&sparse, sparse.empty() ? "" : ",", record.value);
    } else {
      records[std::string(record.key)] = record.value;
    }
  }
  if (offset_came) return bad_pax("sparse map");
  if (!sparse.empty()) records[std::string(kSparseMap)] = std::move(sparse);
  return records;
}

std::optional<std::int64_t> parse_decimal(std::string_view text) {
  if (!text.empty() && text[0] == '+') {
    text.remove_prefix(1);
    if (!text.empty() && text[0] == '-') return std::nullopt;
  }
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<PaxTime> parse_pax_time(std::string_view text) {
  const auto dot = text.find('.');
  const auto seconds = parse_decimal(text.substr(0, dot));
  if (!seconds) return std::nullopt;
  PaxTime time{.seconds = *seconds};
  if (dot == std::string_view::npos) return time;
  std::uint32_t scale = 100'000'000;
  for (const char c : text.substr(dot + 1)) {
    if (c < '0' || c > '9') return std::nullopt;
    time.nanoseconds += static_cast<std::uint32_t>(c - '0') * scale;
    scale /= 10;
  }
  // "-1.25" is 1.25 s before the epoch: -2 s and 750 ms.
  if (text[0] == '-' && time.nanoseconds > 0) {
    if (time.seconds == std::numeric_limits<std::int64_t>::min()) return std::nullopt;
    time.seconds -= 1;
    time.nanoseconds = 1'000'000'000 - time.nanoseconds;
  }
  return time;
}

absl::StatusOr<std::map<std::string, std::string>> pax_xattrs(const PaxRecords& records) {
  std::map<std::string, std::string> xattrs;
  for (const auto& [key, value] : records) {
    if (starts_with(key, kSchily)) {
      xattrs[key.substr(kSchily.size())] = value;
    } else if (starts_with(key, kLibarchive)) {
      std::string decoded;
      if (!absl::Base64Unescape(value, &decoded)) return bad_pax("an attribute's value isn't base64");
      // 'L' sorts before 'S': what SCHILY says comes later and stays.
      xattrs[unescape_percent(std::string_view(key).substr(kLibarchive.size()))] = std::move(decoded);
    }
  }
  return xattrs;
}

}  // namespace samara::convert
