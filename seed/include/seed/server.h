#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/http/tls.h"
#include "cache_index/image_import.h"
#include "seed/warming.h"

namespace samara::seed {

/// samara.seed.v1.Seed (proto/samara/seed/v1/seed.proto) on a Unix socket that only root (or who runs us) may connect
/// to, and where it is wanted on a TCP address too.
class Server {
 public:
  /// What a caller over TCP has shown.
  struct Credentials {
    std::string token;                             ///< metadata "samara-token", or a bearer "authorization"
    std::optional<http::ClientIdentity> identity;  ///< by a certificate that client_ca vouches for
  };
  struct Options {
    std::string socket = "/run/samara/seed.sock";  ///< empty: none
    std::string listen;                            ///< "address:port"; empty: none
    std::optional<http::TlsOptions> tls;           ///< of `listen`; read again within seconds when they change, so both of a pair at once
    /// The caller's name, or nullopt: not let in. Asked for each call over TCP.
    std::function<std::optional<std::string>(const Credentials&)> admit;
    std::string version;                           ///< of the site
    cache_index::ImageImport* import = nullptr;                 ///< borrowed; null: images can't be imported here
  };
  /// `warming` is borrowed. Errors: those of NewSocket::create() and of reading certificates; AlreadyExists (`listen`
  /// can't be had), naming the address.
  static absl::StatusOr<std::unique_ptr<Server>> create(Warming& warming, Options options);
  virtual ~Server() = default;  ///< stop()
  virtual int port() const = 0;  ///< of `listen`; 0: none
  /// Refuses new calls, ends those that watch a job, waits until no handler runs. Idempotent.
  virtual void stop() = 0;
};

}  // namespace samara::seed
