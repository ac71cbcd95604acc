#include "terminal.h"

#include <unistd.h>

#include <cstdlib>

#include "base/text.h"

namespace samara::cli {

bool is_terminal(std::FILE* stream) {
  const char* const term = std::getenv("TERM");
  return ::isatty(::fileno(stream)) != 0 && term != nullptr && std::string_view(term) != "dumb";
}

bool wants_colour(std::FILE* stream) {
  const char* const no_colour = std::getenv("NO_COLOR");
  return is_terminal(stream) && (no_colour == nullptr || *no_colour == '\0');
}

std::string coloured(std::string_view text, Colour colour, bool use) {
  if (!use) return std::string(text);
  constexpr const char* kCodes[] = {"32", "31", "33", "2"};
  return str_cat("\033[", kCodes[static_cast<int>(colour)], "m", text, "\033[0m");
}

std::string human_time(std::uint64_t seconds) {
  char text[32];
  if (seconds < 60) {
    std::snprintf(text, sizeof text, "%us", static_cast<unsigned>(seconds));
  } else if (seconds < 3600) {
    std::snprintf(text, sizeof text, "%um%02us", static_cast<unsigned>(seconds / 60), static_cast<unsigned>(seconds % 60));
  } else {
    std::snprintf(text, sizeof text, "%lluh%02um", static_cast<unsigned long long>(seconds / 3600), static_cast<unsigned>(seconds / 60 % 60));
  }
  return text;
}

}  // namespace samara::cli
