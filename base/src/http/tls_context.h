#pragma once

#include <memory>

#include "base/http/tls.h"
#include "base/reloaded.h"
#include "socket.h"
#include "tls_transport.h"

namespace samara::http {

/// The server's side of TLS: makes encrypted connections out of accepted sockets.
///
/// TLS 1.2 with forward secrecy and AEAD, or 1.3; no renegotiation, no compression. Sessions aren't resumed where
/// clients show certificates, so that one which has expired or whose authority is gone ends with its connection.
/// Threads: any.
class TlsContext {
 public:
  /// Errors: InvalidArgument, NotFound, PermissionDenied, naming the file that can't be used.
  static absl::StatusOr<std::unique_ptr<TlsContext>> create(const TlsOptions& options);
  ~TlsContext();

  /// The handshake. `socket` is borrowed by the result. A client that speaks plain HTTP is told so.
  /// Errors: DeadlineExceeded, Cancelled (the client left), InvalidArgument (what the client said, or its certificate).
  absl::StatusOr<std::unique_ptr<TlsTransport>> accept(Socket& socket, Socket::TimePoint deadline);

 private:
  struct Settings;  // an SSL_CTX
  explicit TlsContext(std::unique_ptr<Reloaded<Settings>> settings) : settings_(std::move(settings)) {}
  static absl::StatusOr<std::shared_ptr<const Settings>> load(const TlsOptions& options);

  std::unique_ptr<Reloaded<Settings>> settings_;
};

}  // namespace samara::http
