#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace samara::cli {

/// Is this stream a terminal that can rewrite lines (and not TERM=dumb)?
bool is_terminal(std::FILE* stream);
/// ... where colours are wanted: NO_COLOR isn't set (https://no-color.org).
bool wants_colour(std::FILE* stream);

enum class Colour { kGreen, kRed, kYellow, kFaint };
/// `text` in that colour when `use`.
std::string coloured(std::string_view text, Colour colour, bool use);

/// "45s", "3m05s", "2h10m".
std::string human_time(std::uint64_t seconds);

}  // namespace samara::cli
