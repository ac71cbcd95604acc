#include "connect_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <cstdlib>

#include "base/text.h"

namespace samara {
namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

void say(int fd, std::string_view text) { (void)::send(fd, text.data(), text.size(), MSG_NOSIGNAL); }

// What came on `from` goes to `to`; false at the end.
bool pass_on(int from, int to) {
  std::array<char, 65536> piece;
  const ssize_t n = ::recv(from, piece.data(), piece.size(), 0);
  if (n <= 0) return false;
  say(to, {piece.data(), static_cast<std::size_t>(n)});
  return true;
}

}  // namespace

ConnectProxy::ConnectProxy(Mood mood)
    : mood_(mood), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), stop_(::eventfd(0, EFD_CLOEXEC)) {
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_.get(), 16) != 0 ||
      ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    std::abort();
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { run(); });
}

ConnectProxy::~ConnectProxy() {
  ::eventfd_write(stop_.get(), 1);
  thread_.join();
}

std::string ConnectProxy::url() const { return str_cat("http://127.0.0.1:", port_); }

std::vector<std::string> ConnectProxy::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

bool ConnectProxy::wait_for(int fd) {
  std::array<pollfd, 2> entries{pollfd{fd, POLLIN, 0}, pollfd{stop_.get(), POLLIN, 0}};
  ::poll(entries.data(), entries.size(), -1);
  return entries[1].revents == 0;
}

void ConnectProxy::run() {
  while (wait_for(listener_.get())) {
    const Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (client.valid()) serve(client.get());
  }
}

void ConnectProxy::serve(int client) {
  std::string head;
  std::array<char, 4096> piece;
  while (head.find("\r\n\r\n") == std::string::npos) {
    if (!wait_for(client)) return;
    const ssize_t n = ::recv(client, piece.data(), piece.size(), 0);
    if (n <= 0) return;
    head.append(piece.data(), static_cast<std::size_t>(n));
  }
  const std::string line = head.substr(0, head.find("\r\n"));
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(line);
  }
  if (!line.starts_with("CONNECT "))
    return say(client, "HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\nby the proxy");
  if (mood_ == Mood::kRefuses) return say(client, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
  if (mood_ == Mood::kSilent) return (void)wait_for(client);
  const sockaddr_in address = loopback(static_cast<std::uint16_t>(std::atoi(line.c_str() + line.rfind(':') + 1)));
  const Fd server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return say(client, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
  say(client, "HTTP/1.1 200 Connection established\r\n\r\n");
  tunnel(client, server.get());
}

void ConnectProxy::tunnel(int client, int server) {
  while (true) {
    std::array<pollfd, 3> entries{pollfd{client, POLLIN, 0}, pollfd{server, POLLIN, 0}, pollfd{stop_.get(), POLLIN, 0}};
    ::poll(entries.data(), entries.size(), -1);
    if (entries[2].revents != 0) return;
    if (entries[0].revents != 0 && !pass_on(client, server)) return;
    if (entries[1].revents != 0 && !pass_on(server, client)) return;
  }
}

}  // namespace samara
