#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace samara::registry_proxy {

/// Untrusted JSON, read without exceptions.
///
/// parse: nullopt for what isn't JSON or is nested deeper than 64 levels.
/// The getters give nullptr or nullopt for a key that is absent or of another type.
std::optional<nlohmann::json> parse_json(std::string_view text);

const nlohmann::json* json_member(const nlohmann::json& object, const char* key);
std::optional<std::string> json_text(const nlohmann::json& object, const char* key);
std::optional<std::uint64_t> json_number(const nlohmann::json& object, const char* key);

}  // namespace samara::registry_proxy
