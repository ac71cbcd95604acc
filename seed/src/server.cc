#include "seed/server.h"

#include <unistd.h>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "base/unix_socket.h"
#include "seed_service.h"

namespace samara::seed {
namespace {

namespace tls = grpc::experimental;  // gRPC's way to certificates that change

constexpr int kMaxMessageBytes = 64 << 20;
constexpr int kMostThreads = 64;  // those that watch a job have one each
constexpr std::chrono::seconds kStopGrace{3};
constexpr std::uint64_t kMaxPem = 1u << 20;
constexpr unsigned kReread = 2;  // seconds

class GrpcServer final : public Server {
 public:
  GrpcServer(Warming& warming, Options options) : options_(std::move(options)), service_(warming, options_) {}
  ~GrpcServer() override { stop(); }

  absl::Status start();
  int port() const override { return port_; }
  void stop() override;

 private:
  absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> credentials() const;

  const Options options_;
  SeedService service_;
  std::unique_ptr<grpc::Server> server_;
  bool published_ = false;
  int port_ = 0;
};

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> GrpcServer::credentials() const {
  if (!options_.tls) return grpc::InsecureServerCredentials();
  const http::TlsOptions& files = *options_.tls;
  for (const std::string* file : {&files.certificate, &files.key, &files.client_ca})
    if (!file->empty()) SAMARA_RETURN_IF_ERROR(read_file(*file, kMaxPem).status());
  tls::TlsServerCredentialsOptions ssl(
      std::make_shared<tls::FileWatcherCertificateProvider>(files.key, files.certificate, files.client_ca, kReread));
  ssl.watch_identity_key_cert_pairs();
  if (!files.client_ca.empty()) {
    ssl.watch_root_certs();
    ssl.set_cert_request_type(GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY);
  }
  return tls::TlsServerCredentials(ssl);
}

absl::Status GrpcServer::start() {
  grpc::ServerBuilder builder;
  builder.SetResourceQuota(grpc::ResourceQuota("seed").SetMaxThreads(kMostThreads));
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  builder.RegisterService(&service_);
  std::optional<NewSocket> socket;
  if (!options_.socket.empty()) {
    SAMARA_ASSIGN_OR_RETURN(NewSocket made, NewSocket::create(options_.socket));
    socket.emplace(std::move(made));
    builder.AddListeningPort(str_cat("unix:", socket->address()), grpc::InsecureServerCredentials());
  }
  if (!options_.listen.empty()) {
    SAMARA_ASSIGN_OR_RETURN(const auto shown, credentials());
    builder.AddListeningPort(options_.listen, shown, &port_);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  }
  server_ = builder.BuildAndStart();
  if (!server_) return absl::AlreadyExistsError(str_cat("the seed can't listen on ", options_.socket, " ", options_.listen));
  if (!socket) return absl::OkStatus();
  SAMARA_RETURN_IF_ERROR(socket->publish());
  published_ = true;
  return absl::OkStatus();
}

void GrpcServer::stop() {
  if (!server_) return;
  service_.stop();
  if (published_) ::unlink(options_.socket.c_str());
  server_->Shutdown(std::chrono::system_clock::now() + kStopGrace);
  server_->Wait();
  server_.reset();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::create(Warming& warming, Options options) {
  auto server = std::make_unique<GrpcServer>(warming, std::move(options));
  SAMARA_RETURN_IF_ERROR(server->start());
  return server;
}

}  // namespace samara::seed
