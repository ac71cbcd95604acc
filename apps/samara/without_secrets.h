#pragma once

#include <string>
#include <string_view>

namespace samara::cli {

/// A text, without what stands between "://" and '@' in any URL of it.
std::string without_credentials(std::string_view text);

/// A configuration (TOML) without what is secret in it, line by line: the values of options whose names speak of
/// passwords, tokens, keys or secrets, those of several lines too, also where they are commented out; and without_credentials().
std::string without_secrets(std::string_view toml);

}  // namespace samara::cli
