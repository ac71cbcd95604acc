#pragma once

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace samara {

/// Debian's Abseil is built with a string_view of its own, which the standard one doesn't convert to.
inline absl::string_view to_absl(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view to_std(absl::string_view text) { return {text.data(), text.size()}; }

namespace text_detail {
template <typename T>
const T& piece(const T& value) {
  return value;
}
inline absl::string_view piece(std::string_view value) { return to_absl(value); }
inline absl::string_view piece(const std::string& value) { return value; }
}  // namespace text_detail

/// absl::StrCat that takes std::string_view too.
template <typename... Parts>
std::string str_cat(const Parts&... parts) {
  return absl::StrCat(text_detail::piece(parts)...);
}

/// absl::StrAppend that takes std::string_view too.
template <typename... Parts>
void str_append(std::string* to, const Parts&... parts) {
  absl::StrAppend(to, text_detail::piece(parts)...);
}

}  // namespace samara
