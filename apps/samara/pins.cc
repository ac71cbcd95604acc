#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/config.h"
#include "base/http/client.h"
#include "base/http/message.h"
#include "base/status.h"
#include "base/text.h"
#include "commands.h"
#include "node.grpc.pb.h"
#include "progress_line.h"
#include "site_options.h"

namespace samara::cli {
namespace {

namespace api = node::v1;

constexpr const char* kHelp = R"(A pin keeps a layer, an object or an image out of every eviction, with a reason and until a time.
It brings nothing here: pull or start it first.

NAME is a digest, or an image: on a node one whose layers are in the mount, on a site a tag that was pulled through it.

Examples:
  samara pins
  samara pin add docker.io/library/python:3.12 --reason "nightly batch" --for 24h
  samara pin rm docker.io/library/python:3.12
  samara pins --address http://127.0.0.1:7700 --json)";

constexpr std::chrono::seconds kPatience{10};

struct Options {
  std::string address = "unix:///run/samara/node.sock";
  peer::SiteAccess::Options access;  // to a site
  std::string name, reason, duration;
  bool json = false;
};

/// A node's or a site's pins, whichever the address is of.
class Pins {
 public:
  virtual ~Pins() = default;
  virtual absl::StatusOr<nlohmann::json> list() = 0;  ///< an array, as the site gives it
  virtual absl::Status add(const std::string& name, const std::string& reason, std::uint64_t seconds) = 0;
  virtual absl::Status remove(const std::string& name) = 0;
};

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

absl::StatusOr<std::unique_ptr<Pins>> pins_at(const Options& options) {
  const std::string& address = options.address;
  if (!address.starts_with("http://") && !address.starts_with("https://")) return std::make_unique<NodePins>(address);
  SAMARA_ASSIGN_OR_RETURN(peer::SiteAccess access, peer::SiteAccess::create(options.access));
  return std::make_unique<SitePins>(address, std::move(access));
}

std::string time_text(std::uint64_t seconds) {
  if (seconds == 0) return "never";
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  char text[32];
  if (::localtime_r(&time, &parts) == nullptr || std::strftime(text, sizeof text, "%F %T", &parts) == 0) return str_cat(seconds);
  return text;
}

absl::Status list(const Options& options) {
  SAMARA_ASSIGN_OR_RETURN(const std::unique_ptr<Pins> at, pins_at(options));
  SAMARA_ASSIGN_OR_RETURN(const nlohmann::json pins, at->list());
  if (options.json) {
    std::printf("%s\n", nlohmann::json{{"pins", pins}}.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    return absl::OkStatus();
  }
  if (pins.empty()) std::printf("no pins\n");
  for (const nlohmann::json& pin : pins) {
    std::printf("%s\n  expires %s, %s here, %zu objects%s%s\n", pin.value("name", "").c_str(),
                time_text(pin.value("expires", std::uint64_t{0})).c_str(), human_size(pin.value("bytes", std::uint64_t{0})).c_str(),
                pin.contains("members") ? pin["members"].size() : 0, pin.value("reason", "").empty() ? "" : ": ",
                pin.value("reason", "").c_str());
  }
  return absl::OkStatus();
}

absl::Status add(const Options& options) {
  std::uint64_t seconds = 0;
  if (!options.duration.empty()) {  // as in configuration files
    SAMARA_ASSIGN_OR_RETURN(Config config, Config::parse(str_cat("for = \"", options.duration, "\""), "--for"));
    seconds = static_cast<std::uint64_t>(config.duration("for", std::chrono::milliseconds(0)).count()) / 1000;
    SAMARA_RETURN_IF_ERROR(config.finish());
  }
  SAMARA_ASSIGN_OR_RETURN(const std::unique_ptr<Pins> at, pins_at(options));
  return at->add(options.name, options.reason, seconds);
}

absl::Status remove(const Options& options) {
  SAMARA_ASSIGN_OR_RETURN(const std::unique_ptr<Pins> at, pins_at(options));
  return at->remove(options.name);
}

}  // namespace

void add_pins(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  const auto with_address = [&](CLI::App* command) {
    command->footer(kHelp);
    command->add_option("--address", options->address, "The node's socket, or the site's URL")->capture_default_str();
    add_site_access(*command, options->access);
    return command;
  };
  CLI::App* pins = with_address(app.add_subcommand("pins", "Lists what no eviction takes"));
  pins->add_flag("--json", options->json, "Print JSON");
  pins->callback([options, &exit_code] { exit_code = report(list(*options)); });

  CLI::App* pin = app.add_subcommand("pin", "Keeps something in the cache, or no longer");
  pin->require_subcommand(1);
  CLI::App* adding = with_address(pin->add_subcommand("add", "Pins a layer, an object or an image"));
  adding->add_option("NAME", options->name, "Digest or image")->required();
  adding->add_option("--reason", options->reason, "Why, for whoever asks later");
  adding->add_option("--for", options->duration, "Until it expires, e.g. 90m or 24h; without it never");
  adding->callback([options, &exit_code] { exit_code = report(add(*options)); });
  CLI::App* removing = with_address(pin->add_subcommand("rm", "Takes a pin off"));
  removing->add_option("NAME", options->name, "As samara pins shows it")->required();
  removing->callback([options, &exit_code] { exit_code = report(remove(*options)); });
}

}  // namespace samara::cli
