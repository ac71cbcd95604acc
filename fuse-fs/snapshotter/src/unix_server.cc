#include "unix_server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"

namespace samara::snapshotter {
namespace {

constexpr int kMaxMessageBytes = 16 << 20;
constexpr std::chrono::seconds kStopGrace{3};
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

/// A directory that only we may enter: the socket is made there, gets its mode, and moves to its place.
class PrivateDirectory {
 public:
  static absl::StatusOr<PrivateDirectory> create(const std::string& parent) {
    std::string path = parent + "/.XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) return errno_status(errno, str_cat("make a directory in ", parent));
    return PrivateDirectory(path);
  }
  PrivateDirectory(PrivateDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ~PrivateDirectory() {
    if (!path_.empty()) ::rmdir(path_.c_str());
  }
  std::string socket() const { return path_ + "/s"; }

 private:
  explicit PrivateDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

absl::Status move_into_place(const std::string& from, const std::string& to) {
  if (::chmod(from.c_str(), 0600) != 0) return errno_status(errno, str_cat("change the mode of ", from));
  if (::rename(from.c_str(), to.c_str()) != 0) return errno_status(errno, str_cat("make socket ", to));
  return absl::OkStatus();
}

class UnixServer final : public Server {
 public:
  UnixServer(std::unique_ptr<grpc::Service> service, std::unique_ptr<grpc::Server> server, std::string path)
      : service_(std::move(service)), server_(std::move(server)), path_(std::move(path)) {}
  ~UnixServer() override { stop(); }

  void stop() override {
    if (stopped_) return;
    stopped_ = true;
    ::unlink(path_.c_str());
    server_->Shutdown(std::chrono::system_clock::now() + kStopGrace);
    server_->Wait();
  }

 private:
  std::unique_ptr<grpc::Service> service_;
  std::unique_ptr<grpc::Server> server_;
  std::string path_;
  bool stopped_ = false;
};

}  // namespace

grpc::Status to_grpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

absl::StatusOr<std::unique_ptr<Server>> serve_on_unix_socket(std::unique_ptr<grpc::Service> service,
                                                             const std::string& socket) {
  SAMARA_RETURN_IF_ERROR(check_free(socket));
  const std::string parent = std::filesystem::path(socket).parent_path();
  SAMARA_RETURN_IF_ERROR(make_directories(parent));
  SAMARA_ASSIGN_OR_RETURN(const PrivateDirectory directory, PrivateDirectory::create(parent));
  grpc::ServerBuilder builder;
  builder.AddListeningPort(str_cat("unix:", directory.socket()), grpc::InsecureServerCredentials());
  builder.RegisterService(service.get());
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (!server) return absl::InternalError(str_cat("gRPC can't listen on ", socket));
  const absl::Status moved = move_into_place(directory.socket(), socket);
  if (moved.ok()) return std::make_unique<UnixServer>(std::move(service), std::move(server), socket);
  server->Shutdown();
  server->Wait();
  return moved;
}

}  // namespace samara::snapshotter
