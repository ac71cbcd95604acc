#pragma once

#include <memory>
#include <optional>

#include "base/http/tls.h"
#include "socket.h"

struct ssl_st;

namespace samara::http {

/// An encrypted connection over a borrowed socket, made by TlsContext::accept().
class TlsTransport final : public Transport {
 public:
  /// Owns `ssl`, which is bound to the descriptor of `socket`.
  TlsTransport(Socket& socket, ssl_st* ssl);
  /// Says goodbye (close_notify) as far as that doesn't block.
  ~TlsTransport() override;
  TlsTransport(const TlsTransport&) = delete;

  /// The server's side of the handshake.
  absl::Status handshake(TimePoint deadline);
  /// Empty when the client has shown no certificate.
  std::optional<ClientIdentity> identity() const;

  absl::StatusOr<std::size_t> receive(std::span<std::uint8_t> out, TimePoint deadline) override;
  absl::Status send(std::span<iovec> parts, std::chrono::milliseconds timeout, bool more) override;
  absl::Status send_file(int file, std::uint64_t offset, std::uint64_t length,
                         std::chrono::milliseconds timeout) override;
  void linger(std::chrono::milliseconds at_most) override;

 private:
  // Waits for what an SSL_ call that gave `result` needs; the error when it will never succeed.
  absl::Status wait_for(int result, TimePoint deadline);
  // Room in gathered_ behind what is held; never empty between calls.
  std::span<std::uint8_t> room();
  absl::Status flush(std::chrono::milliseconds timeout);
  void say_goodbye();

  Socket& socket_;
  ssl_st* const ssl_;
  bool broken_ = false;                        // no SSL_ call may follow
  std::unique_ptr<std::uint8_t[]> gathered_;  // to be encrypted together; made when first used
  std::size_t held_ = 0;                       // bytes in it
};

}  // namespace samara::http
