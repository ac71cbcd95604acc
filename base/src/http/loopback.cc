#include <arpa/inet.h>

#include "base/http/server.h"

namespace samara::http {

bool is_loopback(std::string_view listen) {
  const std::size_t colon = listen.rfind(':');
  if (colon == std::string_view::npos) return false;
  const std::string host(listen.substr(0, colon));
  in_addr v4{};
  if (::inet_pton(AF_INET, host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  return host == "[::1]" || host == "localhost";
}

}  // namespace samara::http
