#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstdlib>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/file.h"
#include "base/text.h"

namespace samara::peer {

/// One connection of a BitTorrent peer that does what a test tells it, byte by byte: no library, no manners.
/// Source: BEP 3 (messages), BEP 6 (reject), BEP 52 (v2).
class WirePeer {
 public:
  enum Message : std::uint8_t { kUnchoke = 1, kInterested = 2, kBitfield = 5, kRequest = 6, kPiece = 7, kHaveNone = 15, kReject = 16, kHashRequest = 21 };
  static constexpr std::uint32_t kBlock = 16u << 10;

  /// Connects to "127.0.0.1:port".
  static WirePeer connect(const std::string& address) {
    Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in to = loopback(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) socket = Fd();
    return WirePeer(std::move(socket));
  }
  explicit WirePeer(Fd socket) : socket_(std::move(socket)) {}

  /// False once the other side has closed.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  bool send(Message message, std::string_view payload = {}) { return send(framed(message, payload)); }
  static std::string framed(Message message, std::string_view payload) {
    std::string bytes = number(static_cast<std::uint32_t>(payload.size()) + 1);
    bytes.push_back(static_cast<char>(message));
    bytes += payload;
    return bytes;
  }
  static std::string block_request(std::uint32_t piece, std::uint32_t offset) {
    return number(piece) + number(offset) + number(kBlock);
  }

  /// Says that it speaks v2 and BEP 6, then that it has all of `pieces` pieces and lets everybody ask.
  bool greet(const std::string& tracker_key) {
    return send(std::string("\x13") + "BitTorrent protocol" + std::string("\0\0\0\0\0\0\0\x14", 8) + tracker_key +
                "-XX0000-hostilepeer!");
  }
  bool claims_all(std::uint32_t pieces) {
    std::string bits((pieces + 7) / 8, '\xff');
    if (pieces % 8 != 0) bits.back() = static_cast<char>(0xff << (8 - pieces % 8));
    return send(kBitfield, bits) && send(kUnchoke);
  }
  bool hears_greeting() { return receive(68).has_value(); }

  /// Nothing once the other side has closed.
  struct Received {
    std::uint8_t message;
    std::string payload;
  };
  std::optional<Received> next() {
    for (;;) {
      const std::optional<std::string> size = receive(4);
      if (!size) return std::nullopt;
      const std::uint32_t bytes = number_at(*size, 0);
      if (bytes == 0) continue;  // it lives
      std::optional<std::string> body = receive(bytes);
      if (!body) return std::nullopt;
      return Received{static_cast<std::uint8_t>(body->front()), body->substr(1)};
    }
  }
  /// Reads until the other side closes; how many bytes came.
  std::size_t drain() {
    std::size_t bytes = 0;
    while (receive(1)) ++bytes;
    return bytes;
  }

  void hang_up() { ::shutdown(socket_.get(), SHUT_RDWR); }

  static std::string number(std::uint32_t value) {
    return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8), static_cast<char>(value)};
  }
  static std::uint32_t number_at(std::string_view bytes, std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<std::uint8_t>(bytes[at + i]);
    return value;
  }
  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
  }

 private:
  std::optional<std::string> receive(std::size_t size) {
    std::string bytes(size, '\0');
    for (std::size_t at = 0; at < size;) {
      const ssize_t got = ::recv(socket_.get(), bytes.data() + at, size - at, 0);
      if (got <= 0) return std::nullopt;
      at += static_cast<std::size_t>(got);
    }
    return bytes;
  }

  Fd socket_;
};

/// Where others connect to a hostile peer: each connection gets a thread that greets, claims all and then does `behave`.
class HostilePeer {
 public:
  using Behave = std::function<void(WirePeer&)>;
  HostilePeer(std::string tracker_key, std::uint32_t pieces, Behave behave)
      : key_(std::move(tracker_key)), pieces_(pieces), behave_(std::move(behave)) {
    const sockaddr_in address = WirePeer::loopback(0);
    if (::bind(listening_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listening_.get(), 8) != 0) {
      std::abort();
    }
    thread_ = std::thread([this] { accept(); });
  }
  ~HostilePeer() {
    ::shutdown(listening_.get(), SHUT_RDWR);
    thread_.join();
  }

  std::string address() const {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    ::getsockname(listening_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    return "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }

 private:
  void accept() {
    std::deque<WirePeer> peers;  // which all stay open until the end
    std::vector<std::thread> connections;
    for (;;) {
      Fd socket(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (socket.get() < 0) break;
      WirePeer& peer = peers.emplace_back(std::move(socket));
      connections.emplace_back([this, &peer] {
        if (peer.hears_greeting() && peer.greet(key_) && peer.claims_all(pieces_)) behave_(peer);
      });
    }
    for (WirePeer& peer : peers) peer.hang_up();
    for (std::thread& connection : connections) connection.join();
  }

  const std::string key_;
  const std::uint32_t pieces_;
  const Behave behave_;
  Fd listening_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::thread thread_;
};

}  // namespace samara::peer
