#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "base/http/server.h"
#include "base/reloaded.h"

namespace samara::registry_proxy {

class TokenTable;

/// Who may talk to a site on one of its addresses. docs/access.md has the rules and what clients make of a refusal.
///
/// A client is let in by any one of: a certificate that the server's TlsOptions::client_ca vouches for; one of the
/// site's tokens, as `Samara-Token: T`, `Authorization: Bearer T`, or the password of `Authorization: Basic`. Where
/// neither certificates nor tokens are configured, everybody is.
/// Threads: any.
class Access {
 public:
  struct Options {
    bool open = false;         ///< said explicitly: whoever can connect
    bool certificates = false;  ///< the server has a client_ca
    std::string tokens_file;   ///< read again when it changes; empty: none
  };

  /// Do the options of an address go together? An address that other machines reach needs certificates, tokens, or the
  /// explicit word that it is open. InvalidArgument, naming the address.
  static absl::Status check(const http::Server::Options& server, const Options& options);

  /// Errors: what is wrong with the tokens' file, naming file and line.
  static absl::StatusOr<std::unique_ptr<Access>> create(const Options& options);
  ~Access();

  /// The name of who asks: the token's or the certificate's; empty where everybody is let in. nullopt: not let in.
  /// The site's own secret is taken out of the request, so that nothing behind this passes it on.
  std::optional<std::string> admit(http::Request& request) const;

  /// Answers one who isn't let in: 401 with a challenge for Basic when a token would help and none was shown; else 403,
  /// upon which clients give up and containerd goes on to its next host.
  void refuse(const http::Request& request, http::ResponseWriter& out) const;

 private:
  using Tokens = Reloaded<TokenTable>;
  Access(bool certificates, std::unique_ptr<Tokens> tokens);

  const bool certificates_;
  const std::unique_ptr<Tokens> tokens_;  // null: no tokens
};

}  // namespace samara::registry_proxy
