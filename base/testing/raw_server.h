#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <string>
#include <thread>

namespace samara {

/// A server that says exactly what a test wants it to: one request a connection, whose head `answer` gets, and then the
/// end of the connection.
class RawServer {
 public:
  using Answer = std::function<std::string(const std::string& head)>;

  explicit RawServer(Answer answer) : answer_(std::move(answer)), listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(listener_, reinterpret_cast<const sockaddr*>(&address), size);
    ::listen(listener_, 16);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~RawServer() {
    ::shutdown(listener_, SHUT_RDWR);  // ends accept()
    thread_.join();
    ::close(listener_);
  }
  RawServer(const RawServer&) = delete;

  std::uint16_t port() const { return port_; }

 private:
  void serve() {
    for (int fd = ::accept(listener_, nullptr, nullptr); fd >= 0; fd = ::accept(listener_, nullptr, nullptr)) {
      std::string head;
      std::array<char, 4096> piece;
      while (head.find("\r\n\r\n") == std::string::npos) {
        const ssize_t n = ::recv(fd, piece.data(), piece.size(), 0);
        if (n <= 0) break;
        head.append(piece.data(), static_cast<std::size_t>(n));
      }
      const std::string text = answer_(head);
      (void)::send(fd, text.data(), text.size(), MSG_NOSIGNAL);  // a client that left hears nothing
      ::close(fd);
    }
  }

  const Answer answer_;
  const int listener_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

}  // namespace samara
