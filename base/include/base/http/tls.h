#pragma once

#include <string>
#include <vector>

namespace samara::http {

/// How a server speaks TLS (1.2 and 1.3). All are PEM files, read again when they have changed: connections made from
/// then on use the new ones. A pair that doesn't fit, for as long as only one of the two is replaced, changes nothing.
struct TlsOptions {
  std::string certificate;  ///< the server's, followed by the intermediate ones
  std::string key;          ///< its private key, without a passphrase
  /// Authorities whose client certificates are accepted; empty: none is asked for. A client that shows another one, or
  /// one that has expired, isn't let in. One that shows none is: the handler sees it by Request::identity.
  std::string client_ca;
};

/// Whose certificate a client has shown; an authority of TlsOptions::client_ca vouches for it.
struct ClientIdentity {
  std::string common_name;             ///< of the subject; may be empty
  std::vector<std::string> dns_names;  ///< of subjectAltName
};

}  // namespace samara::http
