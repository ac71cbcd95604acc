#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "fd_passing.h"
#include "fuse_fs/connection_keeper.h"

namespace samara::fuse_fs {
namespace {

constexpr int kFirstDescriptor = 3;  // SD_LISTEN_FDS_START
constexpr int kMostDescriptors = 64;

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// The descriptors that the service manager hands to this process, by name; of two with one name the last.
std::map<std::string, Fd> take_listened() {
  std::map<std::string, Fd> taken;
  if (environment("LISTEN_PID") == std::to_string(::getpid())) {
    const std::string all_names = environment("LISTEN_FDNAMES");
    std::string_view names = all_names;
    const int count = std::min(std::atoi(environment("LISTEN_FDS").c_str()), kMostDescriptors);
    for (int i = 0; i < count; ++i) {
      const std::string_view name = names.substr(0, names.find(':'));
      names.remove_prefix(std::min(names.size(), name.size() + 1));
      Fd fd(kFirstDescriptor + i);
      if (::fcntl(fd.get(), F_SETFD, FD_CLOEXEC) != 0) {
        fd.release();  // not one of ours to close
      } else {
        taken[std::string(name)] = std::move(fd);
      }
    }
  }
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(name);
  return taken;
}

class SystemdKeeper final : public ConnectionKeeper {
 public:
  SystemdKeeper() : kept_(take_listened()) {}

  std::map<std::string, Fd> kept() override { return std::move(kept_); }
  absl::Status keep(const std::string& name, int connection) override {
    SAMARA_RETURN_IF_ERROR(forget(name));
    return notify_service_manager(str_cat("FDSTORE=1\nFDNAME=", name), connection);
  }
  absl::Status forget(const std::string& name) override {
    return notify_service_manager(str_cat("FDSTOREREMOVE=1\nFDNAME=", name));
  }
  void serving() override {}  // the unit's own limits bound how long a mount may hang

 private:
  std::map<std::string, Fd> kept_;
};

}  // namespace

absl::Status notify_service_manager(const std::string& text, int fd) {
  const std::string path = environment("NOTIFY_SOCKET");
  if (path.empty()) return absl::OkStatus();
  sockaddr_un address{};
  if (path.size() >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@')) {
    return absl::InvalidArgumentError(str_cat("NOTIFY_SOCKET: ", path));
  }
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  if (path[0] == '@') address.sun_path[0] = '\0';
  const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  if (!socket.valid() || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) {
    return errno_status(errno, str_cat("reach the service manager at ", path));
  }
  return send_message(socket.get(), text, fd);
}

std::unique_ptr<ConnectionKeeper> systemd_keeper() {
  if (environment("NOTIFY_SOCKET").empty()) return nullptr;
  return std::make_unique<SystemdKeeper>();
}

}  // namespace samara::fuse_fs
