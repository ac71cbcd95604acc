#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/file.h"

namespace samara {

/// A TCP connection to 127.0.0.1 that says exactly the bytes it is told to, right or wrong. For tests of servers.
class RawConnection {
 public:
  explicit RawConnection(std::uint16_t port, int receive_buffer = 0)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (receive_buffer > 0)
      ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    const timeval patience{20, 0};  // a test that would hang fails instead
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }

  bool connected() const { return connected_; }
  bool send(std::string_view bytes) {
    return ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
  }
  void half_close() { ::shutdown(fd_.get(), SHUT_WR); }
  void close() { fd_.reset(); }

  /// Everything until the server closes.
  std::string read_to_end() {
    while (receive()) {
    }
    return std::exchange(buffer_, {});
  }
  /// Up to and including `mark`; what came before the end when it never comes.
  std::string read_until(std::string_view mark) {
    while (buffer_.find(mark) == std::string::npos && receive()) {
    }
    const std::size_t at = buffer_.find(mark);
    return take(at == std::string::npos ? buffer_.size() : at + mark.size());
  }
  std::string read_exactly(std::size_t bytes) {
    while (buffer_.size() < bytes && receive()) {
    }
    return take(std::min(bytes, buffer_.size()));
  }

 private:
  bool receive() {
    char piece[4096];
    const ssize_t n = ::recv(fd_.get(), piece, sizeof piece, 0);
    if (n > 0) buffer_.append(piece, static_cast<std::size_t>(n));
    return n > 0;
  }
  std::string take(std::size_t bytes) {
    std::string taken = buffer_.substr(0, bytes);
    buffer_.erase(0, bytes);
    return taken;
  }

  Fd fd_;
  bool connected_ = false;
  std::string buffer_;
};

}  // namespace samara
