#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/digest.h"

namespace samara::registry_proxy {

/// The tokens that a site lets in, by their SHA-256; docs/access.md has the file's shape.
/// Threads: immutable.
class TokenTable {
 public:
  /// Shape:  lines of "<name> <token>", blanks between; empty lines and those that begin with '#' are skipped. A name
  ///         may have several tokens. Name: 1 to 64 of A-Z a-z 0-9 . _ -; token: 16 to 512 visible ASCII characters.
  /// Errors: InvalidArgument with file and line, never with a token.
  static absl::StatusOr<TokenTable> parse(std::string_view text, std::string_view file);

  /// Whose token it is; null when it is nobody's. How long that takes tells nothing of the tokens.
  const std::string* find(std::string_view token) const;
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    Digest token;
    std::string name;
  };
  std::vector<Entry> entries_;
};

/// The password of "Basic <base64 of user:password>", the token of "Bearer <token>"; nullopt for any other
/// Authorization value. Source: RFC 7617 §2, RFC 6750 §2.1.
std::optional<std::string> secret_of(std::string_view authorization);

}  // namespace samara::registry_proxy
