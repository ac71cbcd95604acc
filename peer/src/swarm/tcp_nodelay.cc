#include "tcp_nodelay.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/// libtorrent 2.0.8 never sets TCP_NODELAY, which makes a request of one piece wait for a delayed ACK: 34 ms where
/// 1 to 4 are needed. So the programs that link the swarm have a socket() of their own, which sets it on each TCP socket;
/// accepted ones inherit it from the one that listens.
extern "C" int socket(int domain, int type, int protocol) noexcept {
  const int fd = static_cast<int>(::syscall(SYS_socket, domain, type, protocol));
  const bool tcp = (domain == AF_INET || domain == AF_INET6) && (type & 0xf) == SOCK_STREAM;
  if (fd >= 0 && tcp) {
    const int on = 1;
    // A socket that refuses the option is merely slower.
    (void)::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  return fd;
}

namespace samara::peer {
void use_tcp_nodelay() {}
}  // namespace samara::peer
