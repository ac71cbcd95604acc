#include "holder_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/status.h"
#include "base/text.h"
#include "fuse_fs/connection_keeper.h"

namespace samara::fuse_fs {
namespace {

constexpr timeval kAnswerPatience{.tv_sec = 5, .tv_usec = 0};

/// The socket's path by way of its directory's descriptor: short however deep it lies.
struct Address {
  Fd directory;
  sockaddr_un name{};
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&name); }
};

absl::StatusOr<Address> address_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos || slash == 0) {
    return absl::InvalidArgumentError(str_cat("holder socket ", path, ": not a path in a directory"));
  }
  Address address;
  SAMARA_ASSIGN_OR_RETURN(address.directory, open_file(path.substr(0, slash), O_RDONLY | O_DIRECTORY));
  const std::string text = str_cat("/proc/self/fd/", address.directory.get(), path.substr(slash));
  if (text.size() >= sizeof address.name.sun_path) {
    return absl::InvalidArgumentError(str_cat("holder socket ", path, ": the file's name is too long"));
  }
  address.name.sun_family = AF_UNIX;
  std::memcpy(address.name.sun_path, text.data(), text.size());
  return address;
}

absl::StatusOr<Fd> new_socket() {
  Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return errno_status(errno, "make a socket");
  return socket;
}

/// Between fork and exec: only what is safe there.
[[noreturn]] void become_holder(int listening, const std::vector<char*>& arguments) {
  ::setsid();
  const int null = ::open("/dev/null", O_RDWR);
  for (const int standard : {0, 1, 2}) ::dup2(null, standard);
  if (listening == kHolderSocket) {
    ::fcntl(listening, F_SETFD, 0);
  } else {
    ::dup2(listening, kHolderSocket);
  }
  ::close_range(kHolderSocket + 1, ~0u, 0);
  ::execv(arguments[0], arguments.data());
  ::_exit(127);
}

}  // namespace

absl::StatusOr<Fd> connect_to_holder(const std::string& path) {
  SAMARA_ASSIGN_OR_RETURN(const Address address, address_of(path));
  SAMARA_ASSIGN_OR_RETURN(Fd socket, new_socket());
  if (::connect(socket.get(), address.get(), sizeof address.name) != 0) {
    if (errno == ENOENT || errno == ECONNREFUSED) return absl::NotFoundError(str_cat(path, ": no holder"));
    return errno_status(errno, str_cat("connect to the holder at ", path));
  }
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kAnswerPatience, sizeof kAnswerPatience);
  return socket;
}

absl::Status start_holder(const std::string& path, const std::vector<std::string>& command) {
  SAMARA_ASSIGN_OR_RETURN(const Address address, address_of(path));
  SAMARA_ASSIGN_OR_RETURN(const Fd listening, new_socket());
  ::unlink(path.c_str());
  if (::bind(listening.get(), address.get(), sizeof address.name) != 0 || ::chmod(path.c_str(), 0600) != 0 ||
      ::listen(listening.get(), 8) != 0) {
    return errno_status(errno, str_cat("listen at ", path));
  }
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const pid_t child = ::fork();
  if (child < 0) return errno_status(errno, "fork");
  if (child == 0) {  // twice, so that it is nobody's child
    if (::fork() == 0) become_holder(listening.get(), arguments);
    ::_exit(0);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  return absl::OkStatus();
}

}  // namespace samara::fuse_fs
