#include "mount_table.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "base/file.h"
#include "base/status.h"

namespace samara::fuse_fs {
namespace {

/// The next space-separated word of `line`, which loses it; empty at the end.
std::string_view take_word(std::string_view& line) {
  const std::size_t begin = std::min(line.find_first_not_of(' '), line.size());
  line.remove_prefix(begin);
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(end);
  return word;
}

bool is_octal(char c) { return c >= '0' && c <= '7'; }

/// "\040" and its like stand for blanks and backslashes.
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && is_octal(text[i + 1]) && is_octal(text[i + 2]) &&
        is_octal(text[i + 3])) {
      out.push_back(static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0')));
      i += 3;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

/// Id, parent, device, root, mountpoint, options, any number of optional fields, "-", type, source, options.
std::optional<MountEntry> parse_line(std::string_view line) {
  take_word(line);
  take_word(line);
  MountEntry entry;
  entry.device = take_word(line);
  take_word(line);
  entry.mountpoint = unescape(take_word(line));
  take_word(line);
  for (std::string_view word = take_word(line); word != "-"; word = take_word(line)) {
    if (word.empty()) return std::nullopt;
  }
  entry.type = take_word(line);
  if (entry.type.empty()) return std::nullopt;
  return entry;
}

}  // namespace

std::vector<MountEntry> parse_mount_table(std::string_view mountinfo) {
  std::vector<MountEntry> entries;
  while (!mountinfo.empty()) {
    const std::size_t end = std::min(mountinfo.find('\n'), mountinfo.size());
    if (auto entry = parse_line(mountinfo.substr(0, end))) entries.push_back(*std::move(entry));
    mountinfo.remove_prefix(std::min(end + 1, mountinfo.size()));
  }
  return entries;
}

absl::StatusOr<std::optional<MountEntry>> mounted_at(const std::string& mountpoint) {
  SAMARA_ASSIGN_OR_RETURN(const std::string table, read_file("/proc/self/mountinfo"));
  std::optional<MountEntry> top;
  for (MountEntry& entry : parse_mount_table(table)) {
    if (entry.mountpoint == mountpoint) top = std::move(entry);
  }
  return top;
}

}  // namespace samara::fuse_fs
