#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/http/client.h"
#include "base/reloaded.h"

namespace samara::peer {

/// What a site wants to see of whoever asks it, and what we want to see of the site.
/// Threads: any.
class SiteAccess {
 public:
  struct Options {
    std::string ca;           ///< PEM: who vouches for the site, in place of the system's; empty: the system's
    std::string certificate;  ///< PEM, shown to a site that asks for one; empty: none
    std::string key;          ///< its private key
    std::string token_file;   ///< the site's token for us, on one line; read again when it changes; empty: none
  };

  SiteAccess() = default;  ///< nothing is shown
  /// Errors: InvalidArgument (only one of certificate and key; no token in the file), and those of read_file().
  static absl::StatusOr<SiteAccess> create(Options options);

  void apply(http::ClientRequest& request) const;

 private:
  Options options_;
  std::shared_ptr<Reloaded<std::string>> token_;  // null: none
};

}  // namespace samara::peer
