#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace samara::registry_proxy {

/// On whose behalf a registry is asked.
///
/// key() tells identities apart in memory and says nothing of the credential; authorization() is a secret, which goes
/// to the registry and its token server and nowhere else: not into rows, logs or errors.
/// Threads: immutable.
class Identity {
 public:
  enum class Kind {
    kSite,       ///< the credentials configured for the upstream; nobody where there are none
    kAnonymous,  ///< nobody
    kClient,     ///< what a client has sent
  };

  Identity() = default;  ///< the site
  static Identity anonymous();
  /// Of a client's Authorization value. Shape: "Basic <base64 of user:password>".
  /// nullopt for anything else, and for an empty user with an empty password, which some clients send for nobody.
  /// Source: RFC 7617 §2.
  static std::optional<Identity> of_client(std::string_view authorization);

  Kind kind() const { return kind_; }
  const std::string& key() const { return key_; }
  const std::string& authorization() const { return authorization_; }  ///< of a client: "Basic …"; else empty

 private:
  Kind kind_ = Kind::kSite;
  std::string key_ = "site";
  std::string authorization_;
};

}  // namespace samara::registry_proxy
