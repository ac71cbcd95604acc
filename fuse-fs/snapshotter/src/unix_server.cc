#include "unix_server.h"

#include <unistd.h>

#include "base/status.h"
#include "base/text.h"
#include "base/unix_socket.h"

namespace samara::snapshotter {
namespace {

constexpr int kMaxMessageBytes = 16 << 20;
constexpr std::chrono::seconds kStopGrace{3};

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
  SAMARA_ASSIGN_OR_RETURN(NewSocket made, NewSocket::create(socket));
  grpc::ServerBuilder builder;
  builder.AddListeningPort(str_cat("unix:", made.address()), grpc::InsecureServerCredentials());
  builder.RegisterService(service.get());
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (!server) return absl::InternalError(str_cat("gRPC can't listen on ", socket));
  const absl::Status published = made.publish();
  if (published.ok()) return std::make_unique<UnixServer>(std::move(service), std::move(server), socket);
  server->Shutdown();
  server->Wait();
  return published;
}

}  // namespace samara::snapshotter
