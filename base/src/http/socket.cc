#include "socket.h"

#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/status.h"
#include "base/text.h"

namespace samara::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

// Drops `n` sent bytes from the front of `parts`.
std::span<iovec> drop_sent(std::span<iovec> parts, std::size_t n) {
  while (!parts.empty() && n >= parts.front().iov_len) {
    n -= parts.front().iov_len;
    parts = parts.subspan(1);
  }
  if (!parts.empty()) {
    parts.front().iov_base = static_cast<char*>(parts.front().iov_base) + n;
    parts.front().iov_len -= n;
  }
  return parts;
}

}  // namespace

absl::Status connection_error(int error) {
  if (error == EPIPE || error == ECONNRESET || error == ETIMEDOUT || error == ENOTCONN || error == EBADF)
    return absl::CancelledError("the client left");
  return errno_status(error, "socket");
}

absl::Status Socket::wait(short events, TimePoint deadline) {
  while (true) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now()).count();
    pollfd entry{fd_.get(), events, 0};
    const int n = ::poll(&entry, 1, static_cast<int>(std::clamp<std::int64_t>(left, 0, 1 << 30)));
    if (n > 0) return absl::OkStatus();  // errors show in the call that follows
    if (n < 0 && errno != EINTR) return errno_status(errno, "poll");
    if (n == 0 && left <= 0) return absl::DeadlineExceededError("the client is too slow");
  }
}

absl::StatusOr<std::size_t> Socket::receive(std::span<std::uint8_t> out, TimePoint deadline) {
  while (true) {
    const ssize_t n = ::recv(fd_.get(), out.data(), out.size(), 0);
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno == EINTR) continue;
    if (!would_block(errno)) return connection_error(errno);
    SAMARA_RETURN_IF_ERROR(wait(POLLIN, deadline));
  }
}

absl::Status Socket::send(std::span<iovec> parts, milliseconds timeout, bool more) {
  parts = drop_sent(parts, 0);
  while (!parts.empty()) {
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    const ssize_t n = ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
    if (n >= 0) {
      parts = drop_sent(parts, static_cast<std::size_t>(n));
    } else if (would_block(errno)) {
      SAMARA_RETURN_IF_ERROR(wait(POLLOUT, steady_clock::now() + timeout));
    } else if (errno != EINTR) {
      return connection_error(errno);
    }
  }
  return absl::OkStatus();
}

absl::Status Socket::send_file(int file, std::uint64_t offset, std::uint64_t length, milliseconds timeout) {
  constexpr std::uint64_t kMost = 1u << 30;  // what one call takes
  auto position = static_cast<off_t>(offset);
  while (length > 0) {
    const ssize_t n = ::sendfile(fd_.get(), file, &position, std::min(length, kMost));
    if (n > 0) {
      length -= static_cast<std::uint64_t>(n);
    } else if (n == 0) {
      return absl::DataLossError(str_cat("the file ends ", length, " bytes short"));
    } else if (would_block(errno)) {
      SAMARA_RETURN_IF_ERROR(wait(POLLOUT, steady_clock::now() + timeout));
    } else if (errno != EINTR) {
      return connection_error(errno);
    }
  }
  return absl::OkStatus();
}

void Socket::linger(milliseconds at_most) {
  constexpr std::size_t kMost = 1u << 20;
  ::shutdown(fd_.get(), SHUT_WR);
  const TimePoint deadline = steady_clock::now() + at_most;
  std::array<std::uint8_t, 16384> scratch;
  for (std::size_t total = 0; total < kMost;) {
    const auto n = receive(scratch, deadline);
    if (!n.ok() || *n == 0) return;
    total += *n;
  }
}

}  // namespace samara::http
