#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace samara::registry_proxy {

/// One way to authenticate that a server offers.
struct Challenge {
  std::string scheme;                              ///< lower case: "bearer", "basic"
  std::map<std::string, std::string> parameters;  ///< names in lower case

  std::string parameter(std::string_view name) const;  ///< empty when absent
};

/// Reads the value of a WWW-Authenticate field, which may hold several challenges. What can't be read ends the list:
/// challenges before it are given. Source: RFC 9110 §11.3, §11.6.1.
std::vector<Challenge> parse_challenges(std::string_view value);

}  // namespace samara::registry_proxy
