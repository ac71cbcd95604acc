#include "image_client.h"

#include <google/protobuf/util/json_util.h>
#include <grpcpp/grpcpp.h>

#include <chrono>

#include "base/http/client.h"
#include "base/http/message.h"
#include "base/status.h"
#include "base/text.h"
#include "node.grpc.pb.h"
#include "registry_proxy/names.h"

namespace samara::cli {
namespace {

namespace api = node::v1;

constexpr std::chrono::minutes kPatience{5};  // a pass over a cache of a million chunks takes seconds, on a busy disk more
constexpr std::uint64_t kMaxAnswer = 64u << 20;

class NodeImagesClient final : public Images {
 public:
  explicit NodeImagesClient(const std::string& address)
      : address_(address), stub_(api::Node::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()))) {}

  absl::StatusOr<api::ImagesResponse> list(const std::string& name) override {
    api::ImagesRequest request;
    request.set_name(name);
    return ask<api::ImagesResponse>(&api::Node::Stub::Images, request);
  }
  absl::StatusOr<api::RemovedImages> remove(const std::string& name, bool plan) override {
    api::RemoveImageRequest request;
    request.set_name(name);
    request.set_plan(plan);
    return ask<api::RemovedImages>(&api::Node::Stub::RemoveImage, request);
  }
  absl::StatusOr<api::RemovedImages> prune(std::uint64_t unused_seconds, bool plan) override {
    api::PruneImagesRequest request;
    request.set_unused_seconds(unused_seconds);
    request.set_plan(plan);
    return ask<api::RemovedImages>(&api::Node::Stub::PruneImages, request);
  }

 private:
  template <typename Response, typename Request>
  absl::StatusOr<Response> ask(grpc::Status (api::Node::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                               const Request& request) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kPatience);
    Response response;
    const grpc::Status status = (stub_.get()->*method)(&context, request, &response);
    if (status.ok()) return response;
    if (status.error_code() == grpc::StatusCode::UNAVAILABLE || status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED)
      return absl::UnavailableError(str_cat("no node answers at ", address_, " (", status.error_message(),
                                            "): --address names another node's socket, or a site's URL"));
    return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  }

  const std::string address_;
  const std::unique_ptr<api::Node::Stub> stub_;
};

class SiteImagesClient final : public Images {
 public:
  SiteImagesClient(std::string url, peer::SiteAccess access) : url_(std::move(url)), access_(std::move(access)) {}

  absl::StatusOr<api::ImagesResponse> list(const std::string& name) override {
    return ask<api::ImagesResponse>("GET", name.empty() ? "" : str_cat("?name=", http::percent_encode(name)));
  }
  absl::StatusOr<api::RemovedImages> remove(const std::string& name, bool plan) override {
    return ask<api::RemovedImages>("DELETE", str_cat("?name=", http::percent_encode(name), plan ? "&plan=1" : ""));
  }
  absl::StatusOr<api::RemovedImages> prune(std::uint64_t unused_seconds, bool plan) override {
    return ask<api::RemovedImages>("POST", str_cat("/prune?unused_seconds=", unused_seconds, plan ? "&plan=1" : ""));
  }

 private:
  template <typename Response>
  absl::StatusOr<Response> ask(const std::string& method, const std::string& query) {
    http::ClientRequest request;
    request.method = method;
    request.url = str_cat(url_, "/samara/v1/images", query);
    request.idle_timeout = kPatience;
    access_.apply(request);
    SAMARA_ASSIGN_OR_RETURN(const http::Response response, client_.get(request, kMaxAnswer));
    if (response.head.status != 200) {
      const std::string said = response.body.substr(0, response.body.find('\n'));
      if (response.head.status == 404) return absl::NotFoundError(said);
      return absl::FailedPreconditionError(said.empty() ? str_cat("the site answers HTTP ", response.head.status) : said);
    }
    Response message;
    google::protobuf::util::JsonParseOptions options;
    options.ignore_unknown_fields = true;  // of a later version
    if (google::protobuf::util::JsonStringToMessage(response.body, &message, options).ok()) return message;
    return absl::DataLossError(str_cat(url_, " answers something else than a site"));
  }

  const std::string url_;
  const peer::SiteAccess access_;
  http::Client client_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Images>> images_at(const std::string& address, const peer::SiteAccess::Options& options) {
  if (!address.starts_with("http://") && !address.starts_with("https://")) return std::make_unique<NodeImagesClient>(address);
  SAMARA_ASSIGN_OR_RETURN(peer::SiteAccess access, peer::SiteAccess::create(options));
  return std::make_unique<SiteImagesClient>(address, std::move(access));
}

absl::StatusOr<std::string> full_image_name(const std::string& text) {
  if (Digest::parse(text).ok()) return text;
  SAMARA_ASSIGN_OR_RETURN(const registry_proxy::ImageName name, registry_proxy::parse_image_name(text));
  SAMARA_ASSIGN_OR_RETURN(const registry_proxy::Repository repository, registry_proxy::make_repository(name.registry, name.repository));
  return str_cat(repository.to_string(), name.reference.digest ? "@" : ":", name.reference.to_string());
}

}  // namespace samara::cli
