#include "pins_client.h"

#include <grpcpp/grpcpp.h>
#include <pwd.h>
#include <unistd.h>

#include <chrono>
#include <ctime>

#include "base/config.h"
#include "base/http/client.h"
#include "base/http/message.h"
#include "base/status.h"
#include "base/text.h"
#include "node.grpc.pb.h"

namespace samara::cli {
namespace {

namespace api = node::v1;

constexpr std::chrono::seconds kPatience{10};

class NodePins final : public Pins {
 public:
  explicit NodePins(const std::string& address)
      : address_(address), stub_(api::Node::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()))) {}

  absl::StatusOr<nlohmann::json> list() override {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kPatience);
    api::PinsResponse response;
    SAMARA_RETURN_IF_ERROR(to_status(stub_->Pins(&context, {}, &response)));
    nlohmann::json pins = nlohmann::json::array();
    for (const api::Pin& pin : response.pins()) {
      pins.push_back({{"name", pin.name()}, {"reason", pin.reason()}, {"expires", pin.expires()}, {"bytes", pin.bytes()},
                      {"members", std::vector<std::string>(pin.members().begin(), pin.members().end())}});
    }
    return pins;
  }
  absl::Status add(const std::string& name, const std::string& reason, std::uint64_t seconds) override {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kPatience);
    api::AddPinRequest request;
    request.set_name(name);
    request.set_reason(reason);
    request.set_seconds(seconds);
    api::Pin pin;
    return to_status(stub_->AddPin(&context, request, &pin));
  }
  absl::Status remove(const std::string& name) override {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kPatience);
    api::RemovePinRequest request;
    request.set_name(name);
    api::RemovePinResponse response;
    return to_status(stub_->RemovePin(&context, request, &response));
  }

 private:
  absl::Status to_status(const grpc::Status& status) const {
    if (status.ok()) return absl::OkStatus();
    if (status.error_code() == grpc::StatusCode::UNAVAILABLE || status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED)
      return absl::UnavailableError(str_cat("no node answers at ", address_, ": ", status.error_message()));
    return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  }
  const std::string address_;
  const std::unique_ptr<api::Node::Stub> stub_;
};

class SitePins final : public Pins {
 public:
  SitePins(std::string url, peer::SiteAccess access) : url_(std::move(url)), access_(std::move(access)) {}

  absl::StatusOr<nlohmann::json> list() override {
    SAMARA_ASSIGN_OR_RETURN(const std::string body, ask("GET", ""));
    const nlohmann::json json = nlohmann::json::parse(body, nullptr, false);
    if (json.is_discarded() || !json.contains("pins") || !json["pins"].is_array())
      return absl::DataLossError(str_cat(url_, " answers something else than a site"));
    return json["pins"];
  }
  absl::Status add(const std::string& name, const std::string& reason, std::uint64_t seconds) override {
    return ask("PUT", str_cat("?name=", http::percent_encode(name), "&reason=", http::percent_encode(reason), "&seconds=", seconds)).status();
  }
  absl::Status remove(const std::string& name) override {
    return ask("DELETE", str_cat("?name=", http::percent_encode(name))).status();
  }

 private:
  absl::StatusOr<std::string> ask(const std::string& method, const std::string& query) {
    http::ClientRequest request;
    request.method = method;
    request.url = str_cat(url_, "/samara/v1/pins", query);
    access_.apply(request);
    SAMARA_ASSIGN_OR_RETURN(const http::Response response, client_.get(request, 64u << 20));
    if (response.head.status == 200) return response.body;
    return absl::FailedPreconditionError(str_cat("the site says: ", response.body));
  }
  const std::string url_;
  const peer::SiteAccess access_;
  http::Client client_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Pins>> pins_at(const std::string& address, const peer::SiteAccess::Options& options) {
  if (!address.starts_with("http://") && !address.starts_with("https://")) return std::make_unique<NodePins>(address);
  SAMARA_ASSIGN_OR_RETURN(peer::SiteAccess access, peer::SiteAccess::create(options));
  return std::make_unique<SitePins>(address, std::move(access));
}

absl::StatusOr<std::uint64_t> seconds_of(const std::string& text, const std::string& option) {
  SAMARA_ASSIGN_OR_RETURN(Config config, Config::parse(str_cat("value = \"", text, "\""), option));
  const auto time = config.duration("value", std::chrono::milliseconds(0));
  SAMARA_RETURN_IF_ERROR(config.finish());
  return static_cast<std::uint64_t>(time.count()) / 1000;
}

std::string who_asks() {
  char host[256] = "";
  (void)::gethostname(host, sizeof host - 1);
  const passwd* const user = ::getpwuid(::getuid());
  return str_cat(user != nullptr ? user->pw_name : "somebody", "@", host);
}

std::string time_text(std::uint64_t seconds) {
  if (seconds == 0) return "never";
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  char text[32];
  if (::localtime_r(&time, &parts) == nullptr || std::strftime(text, sizeof text, "%F %T", &parts) == 0) return str_cat(seconds);
  return text;
}

}  // namespace samara::cli
