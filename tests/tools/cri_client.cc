#include "cri_client.h"

#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include "base/status.h"
#include "base/text.h"
#include "cri.grpc.pb.h"

namespace samara::tools {
namespace {

namespace cri = runtime::v1;

/// gRPC's codes and Abseil's are the same numbers.
absl::Status to_status(const char* call, const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return {static_cast<absl::StatusCode>(status.error_code()), to_absl(str_cat(call, ": ", status.error_message()))};
}

}  // namespace

struct CriClient::Impl {
  std::chrono::milliseconds deadline;
  std::unique_ptr<cri::RuntimeService::Stub> runtime;
  std::unique_ptr<cri::ImageService::Stub> images;
  cri::PodSandboxConfig pod;

  /// One call: `method` of `stub`, with the deadline.
  template <typename Stub, typename Request, typename Response>
  absl::Status call(const char* name, Stub& stub,
                    grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response* response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + deadline);
    return to_status(name, (stub.*method)(&context, request, response));
  }
};

CriClient::CriClient(const std::string& socket, std::chrono::milliseconds deadline) : impl_(std::make_unique<Impl>()) {
  const auto channel = grpc::CreateChannel(str_cat("unix:", socket), grpc::InsecureChannelCredentials());
  impl_->deadline = deadline;
  impl_->runtime = cri::RuntimeService::NewStub(channel);
  impl_->images = cri::ImageService::NewStub(channel);
}

CriClient::~CriClient() = default;

absl::Status CriClient::pull(const std::string& image, const std::string& credential) {
  cri::PullImageRequest request;
  if (const std::size_t colon = credential.find(':'); colon != std::string::npos) {
    request.mutable_auth()->set_username(credential.substr(0, colon));
    request.mutable_auth()->set_password(credential.substr(colon + 1));
  }
  request.mutable_image()->set_image(image);
  cri::PullImageResponse response;
  return impl_->call("PullImage", *impl_->images, &cri::ImageService::Stub::PullImage, request, &response);
}

absl::Status CriClient::remove_image(const std::string& image) {
  cri::RemoveImageRequest request;
  request.mutable_image()->set_image(image);
  cri::Nothing response;
  return impl_->call("RemoveImage", *impl_->images, &cri::ImageService::Stub::RemoveImage, request, &response);
}

absl::StatusOr<std::string> CriClient::run_pod(const std::string& name, const std::string& log_directory) {
  cri::PodSandboxConfig& pod = impl_->pod;
  pod.mutable_metadata()->set_name(name);
  pod.mutable_metadata()->set_uid(name);
  pod.mutable_metadata()->set_namespace_("default");
  pod.set_log_directory(log_directory);
  pod.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_network(cri::NODE);
  cri::RunPodSandboxRequest request;
  *request.mutable_config() = pod;
  cri::RunPodSandboxResponse response;
  SAMARA_RETURN_IF_ERROR(impl_->call("RunPodSandbox", *impl_->runtime, &cri::RuntimeService::Stub::RunPodSandbox,
                                          request, &response));
  return response.pod_sandbox_id();
}

absl::Status CriClient::remove_pod(const std::string& pod) {
  cri::PodSandboxRequest request;
  request.set_pod_sandbox_id(pod);
  cri::Nothing response;
  // containerd 1.6 reports a failure when a container ends by itself just then; like a kubelet, ask again.
  absl::Status stopped;
  for (int tries = 0; tries < 5; ++tries) {
    stopped = impl_->call("StopPodSandbox", *impl_->runtime, &cri::RuntimeService::Stub::StopPodSandbox, request,
                          &response);
    if (stopped.ok()) break;
  }
  SAMARA_RETURN_IF_ERROR(stopped);
  return impl_->call("RemovePodSandbox", *impl_->runtime, &cri::RuntimeService::Stub::RemovePodSandbox, request,
                     &response);
}

absl::StatusOr<std::vector<std::string>> CriClient::pods() {
  cri::ListPodSandboxResponse response;
  SAMARA_RETURN_IF_ERROR(impl_->call("ListPodSandbox", *impl_->runtime,
                                          &cri::RuntimeService::Stub::ListPodSandbox, {}, &response));
  std::vector<std::string> ids;
  for (const cri::PodSandbox& pod : response.items()) ids.push_back(pod.id());
  return ids;
}

absl::StatusOr<std::string> CriClient::create_container(const std::string& pod, const std::string& image,
                                                        const std::vector<std::string>& command) {
  cri::CreateContainerRequest request;
  request.set_pod_sandbox_id(pod);
  *request.mutable_sandbox_config() = impl_->pod;
  cri::ContainerConfig& config = *request.mutable_config();
  config.mutable_metadata()->set_name("main");
  config.mutable_image()->set_image(image);
  config.set_log_path("output");
  for (const std::string& word : command) config.add_command(word);
  auto& namespaces = *config.mutable_linux()->mutable_security_context()->mutable_namespace_options();
  namespaces.set_network(cri::NODE);
  namespaces.set_pid(cri::CONTAINER);
  cri::CreateContainerResponse response;
  SAMARA_RETURN_IF_ERROR(impl_->call("CreateContainer", *impl_->runtime,
                                          &cri::RuntimeService::Stub::CreateContainer, request, &response));
  return response.container_id();
}

absl::Status CriClient::start_container(const std::string& container) {
  cri::ContainerRequest request;
  request.set_container_id(container);
  cri::Nothing response;
  return impl_->call("StartContainer", *impl_->runtime, &cri::RuntimeService::Stub::StartContainer, request,
                     &response);
}

absl::StatusOr<CriClient::State> CriClient::state(const std::string& container) {
  cri::ContainerRequest request;
  request.set_container_id(container);
  cri::ContainerStatusResponse response;
  SAMARA_RETURN_IF_ERROR(impl_->call("ContainerStatus", *impl_->runtime,
                                          &cri::RuntimeService::Stub::ContainerStatus, request, &response));
  State state;
  state.exited = response.status().state() == cri::EXITED;
  state.exit_code = response.status().exit_code();
  state.reason = str_cat(response.status().reason(), response.status().message().empty() ? "" : ": ",
                         response.status().message());
  return state;
}

absl::StatusOr<CriClient::Executed> CriClient::execute(const std::string& container,
                                                       const std::vector<std::string>& command) {
  cri::ExecSyncRequest request;
  request.set_container_id(container);
  for (const std::string& word : command) request.add_cmd(word);
  cri::ExecSyncResponse response;
  SAMARA_RETURN_IF_ERROR(impl_->call("ExecSync", *impl_->runtime, &cri::RuntimeService::Stub::ExecSync, request, &response));
  return Executed{response.stdout(), response.stderr(), response.exit_code()};
}

}  // namespace samara::tools
