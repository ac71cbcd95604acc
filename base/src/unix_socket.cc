#include "base/unix_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"

namespace samara {
namespace {

// Beside the final path while it is being made: "<dir>/.XXXXXX/s" must fit as well.
constexpr std::size_t kMaxPath = sizeof(sockaddr_un::sun_path) - 12;

// Does a process accept connections there?
bool is_answered(const std::string& path) {
  const Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return fd.valid() && ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

absl::Status check_free(const std::string& path) {
  if (path.empty() || path.front() != '/' || path.size() > kMaxPath) {
    return absl::InvalidArgumentError(
        str_cat("socket ", path, " must be an absolute path of at most ", kMaxPath, " bytes"));
  }
  struct stat stat;
  if (::lstat(path.c_str(), &stat) != 0) {
    return errno == ENOENT ? absl::OkStatus() : errno_status(errno, str_cat("stat ", path));
  }
  if (!S_ISSOCK(stat.st_mode)) return absl::AlreadyExistsError(str_cat(path, " is there and is no socket"));
  if (is_answered(path)) return absl::AlreadyExistsError(str_cat("another process serves ", path));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<NewSocket> NewSocket::create(const std::string& path) {
  SAMARA_RETURN_IF_ERROR(check_free(path));
  const std::string parent = std::filesystem::path(path).parent_path();
  SAMARA_RETURN_IF_ERROR(make_directories(parent));
  std::string directory = parent + "/.XXXXXX";
  if (::mkdtemp(directory.data()) == nullptr) return errno_status(errno, str_cat("make a directory in ", parent));
  return NewSocket(path, std::move(directory));
}

NewSocket::NewSocket(NewSocket&& other) noexcept
    : path_(std::move(other.path_)), directory_(std::exchange(other.directory_, {})) {}

NewSocket::~NewSocket() {
  if (!directory_.empty()) ::rmdir(directory_.c_str());
}

absl::Status NewSocket::publish() {
  if (::chmod(address().c_str(), 0600) != 0) return errno_status(errno, str_cat("change the mode of ", address()));
  if (::rename(address().c_str(), path_.c_str()) != 0) return errno_status(errno, str_cat("make socket ", path_));
  return absl::OkStatus();
}

}  // namespace samara
