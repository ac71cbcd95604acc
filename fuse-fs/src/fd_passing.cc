#include "fd_passing.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "base/status.h"

namespace samara::fuse_fs {
namespace {

/// The first descriptor of the message; those behind it are closed.
Fd take_descriptor(msghdr& message) {
  Fd first;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(part) + i * sizeof(int), sizeof number);
      Fd fd(number);
      if (!first.valid()) first = std::move(fd);
    }
  }
  return first;
}

}  // namespace

absl::Status send_message(int socket, std::string_view text, int fd) {
  iovec piece{const_cast<char*>(text.data()), text.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(rights), &fd, sizeof fd);
  }
  while (::sendmsg(socket, &message, MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) return errno_status(errno, "send a message");
  }
  return absl::OkStatus();
}

absl::StatusOr<FdMessage> receive_message(int socket) {
  char text[kMaxMessage];
  iovec piece{text, sizeof text};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t received = 0;
  while ((received = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC)) < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) return absl::DeadlineExceededError("no message came");
    if (errno != EINTR) return errno_status(errno, "receive a message");
  }
  Fd fd = take_descriptor(message);
  if (received == 0) return absl::UnavailableError("the other side has gone");
  if ((message.msg_flags & MSG_TRUNC) != 0) return absl::InvalidArgumentError("a message that is too long");
  return FdMessage{std::string(text, static_cast<std::size_t>(received)), std::move(fd)};
}

}  // namespace samara::fuse_fs
