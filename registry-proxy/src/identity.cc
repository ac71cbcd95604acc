#include "registry_proxy/identity.h"

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "base/file.h"
#include "base/text.h"
#include "cache_index/hasher.h"

namespace samara::registry_proxy {

Identity Identity::anonymous() {
  Identity identity;
  identity.kind_ = Kind::kAnonymous;
  identity.key_ = "anonymous";
  return identity;
}

std::optional<Identity> Identity::of_client(std::string_view authorization) {
  constexpr std::string_view kScheme = "Basic ";
  constexpr std::size_t kLongest = 16 * 1024;
  if (authorization.size() > kLongest || !absl::StartsWithIgnoreCase(to_absl(authorization), to_absl(kScheme)))
    return std::nullopt;
  std::string pair;
  if (!absl::Base64Unescape(absl::StripAsciiWhitespace(to_absl(authorization.substr(kScheme.size()))), &pair))
    return std::nullopt;
  if (pair.find(':') == std::string::npos || pair == ":") return std::nullopt;
  Identity identity;
  identity.kind_ = Kind::kClient;
  identity.key_ = str_cat("client:", cache_index::sha256(as_bytes(pair)).hex());
  identity.authorization_ = str_cat(kScheme, absl::Base64Escape(pair));
  return identity;
}

}  // namespace samara::registry_proxy
