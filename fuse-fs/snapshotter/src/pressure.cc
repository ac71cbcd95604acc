#include "snapshotter/pressure.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/numbers.h"
#include "base/file.h"
#include "base/text.h"

namespace samara::snapshotter {

// Lines of "<some or full> avg10=<percent> avg60=… avg300=… total=…".
std::optional<double> parse_pressure(std::string_view text, std::string_view line) {
  while (!text.empty()) {
    const std::string_view current = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), current.size() + 1));
    const std::string start = str_cat(line, " avg10=");
    if (!current.starts_with(start)) continue;
    const std::string_view rest = current.substr(start.size());
    double percent = 0;
    if (!absl::SimpleAtod(to_absl(rest.substr(0, rest.find(' '))), &percent)) return std::nullopt;
    return percent;
  }
  return std::nullopt;
}

double Pressure::share(std::string_view resource, std::string_view line) const {
  const auto file = open_file(str_cat(directory_, "/", resource), O_RDONLY);
  if (!file.ok()) return 0;
  char text[512];
  const ssize_t size = ::read(file->get(), text, sizeof text);
  return size <= 0 ? 0 : parse_pressure({text, static_cast<std::size_t>(size)}, line).value_or(0);
}

bool Pressure::is_high() const {
  return share("memory", "some") >= limits_.memory || share("io", "full") >= limits_.io;
}

}  // namespace samara::snapshotter
