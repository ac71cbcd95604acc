#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace samara::http {

/// Header fields in the order received; names compare without case. Source: RFC 9110 §5.
class Headers {
 public:
  void add(std::string_view name, std::string_view value) { fields_.emplace_back(name, value); }
  void set(std::string_view name, std::string_view value);
  void remove(std::string_view name);
  /// The first field of that name.
  std::optional<std::string_view> find(std::string_view name) const;
  std::string_view get(std::string_view name, std::string_view fallback = "") const;
  const std::vector<std::pair<std::string, std::string>>& fields() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

/// The path and the decoded query of a request target ("/v2/x?ns=docker.io").
struct Target {
  std::string path;  ///< percent-decoded; always begins with '/'
  std::vector<std::pair<std::string, std::string>> query;

  /// The first value of `key`; empty when absent.
  std::string_view query_value(std::string_view key) const;
  bool operator==(const Target&) const = default;
};

/// nullopt for what isn't an origin-form target or has a bad percent escape. Source: RFC 9112 §3.2.1.
std::optional<Target> parse_target(std::string_view target);

std::string percent_encode(std::string_view text);

/// The reason phrase for a status code.
std::string_view reason_phrase(int status);

}  // namespace samara::http
