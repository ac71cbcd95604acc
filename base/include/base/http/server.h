#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/http/message.h"
#include "base/http/tls.h"

namespace samara::http {

/// One parsed request. Bodies are never read: a GET or HEAD that has one is refused with 413, and after any other
/// request that has one the connection is closed, so that a handler may tell which methods it knows.
struct Request {
  std::string method;  ///< "GET", "HEAD", … as sent
  Target target;
  Headers headers;
  std::string peer;  ///< "address:port" of the client
  std::optional<ClientIdentity> identity{};  ///< by its certificate, checked; see TlsOptions::client_ca
  std::string client{};  ///< a name for it, where a handler has found one and passes the request on; the server knows none
};

/// Where a handler writes its answer: either respond() once, or begin() and then the body in pieces.
///
/// A HEAD request gets the same head; what is written as body is counted and dropped.
/// A body that ends short of its Content-Length makes the server close the connection, so that the client sees the
/// cut. Writes block while the client is slow, at most for Options::send_timeout.
/// Threads: the handler's own.
class ResponseWriter {
 public:
  virtual ~ResponseWriter() = default;

  /// Adds a header to the answer; before respond() or begin().
  virtual void header(std::string_view name, std::string_view value) = 0;
  /// A whole answer. Content-Length is set from `body`.
  virtual absl::Status respond(int status, std::string_view body = "", std::string_view content_type = "") = 0;
  /// Starts an answer whose body has exactly `content_length` bytes.
  virtual absl::Status begin(int status, std::uint64_t content_length) = 0;
  /// Errors: Cancelled (client left), DeadlineExceeded (client too slow), OutOfRange (more than begin() promised).
  virtual absl::Status write(std::span<const std::uint8_t> data) = 0;
  /// Like write(), of `length` bytes of `fd` from `offset`, by sendfile(2) where the connection isn't encrypted.
  virtual absl::Status write_file(int fd, std::uint64_t offset, std::uint64_t length) = 0;
  virtual bool is_head() const = 0;
  /// Has begin() or respond() been called?
  virtual bool started() const = 0;
};

using Handler = std::function<void(const Request&, ResponseWriter&)>;

/// Can only this machine itself reach an "address:port" that is listened on? True for 127.0.0.0/8, [::1] and localhost;
/// false for every other name, whatever it resolves to.
bool is_loopback(std::string_view listen);

/// The address in a Request::peer: "10.0.0.1" of "10.0.0.1:4000", "::1" of "[::1]:4000"; IPv4 addresses within IPv6
/// become plain ones.
std::string host_of_peer(std::string_view peer);

/// HTTP/1.1 server, plain or over TLS: a thread a connection, keep-alive, hard limits on what a client may send.
///
/// Limits: head 64 KiB, no request body read, `max_connections` at once, those in their handshake too. More wait in the
/// backlog, and the connection that has been idle longest after an answer ends for the first of them.
/// Threads: `handler` is called on many threads at once.
class Server {
 public:
  struct Options {
    std::string listen = "127.0.0.1:0";  ///< "address:port" ("[::1]:80" for IPv6); port 0: any free one
    std::size_t max_connections = 1024;
    std::chrono::milliseconds idle_timeout{60'000};  ///< between requests, and for a request's head
    std::chrono::milliseconds send_timeout{60'000};  ///< without a single byte accepted by the client
    std::optional<TlsOptions> tls{};
    std::chrono::milliseconds handshake_timeout{10'000};  ///< for all of a TLS handshake
  };

  /// Errors: InvalidArgument (listen), AlreadyExists or PermissionDenied (address), naming the address; InvalidArgument,
  /// NotFound or PermissionDenied (certificate, key, client_ca), naming the file.
  static absl::StatusOr<std::unique_ptr<Server>> create(Options options, Handler handler);
  virtual ~Server() = default;  ///< stop()

  virtual std::uint16_t port() const = 0;
  /// Closes the listener and every connection, waits for the handlers to return. Idempotent.
  virtual void stop() = 0;
};

}  // namespace samara::http
