#include <sys/socket.h>
#include <sys/un.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/http/client.h"
#include "base/status.h"
#include "base/text.h"
#include "commands.h"
#include "diagnosis.h"
#include "site_options.h"

namespace samara::cli {
namespace {

constexpr const char* kHelp = R"(Looks for what keeps containerd from pulling through Samara, or from starting containers lazily, and says how to
mend it. Reads containerd's configuration (1.6, 1.7, 2.x), its hosts.toml files, and whether site and snapshotter
answer, and let this machine in. Changes nothing. Exit code 0 when nothing is wrong, 1 when something is.

Examples:
  samara doctor
  samara doctor --site http://10.0.0.2:7700 --json
  samara doctor --site https://site:7700 --ca /etc/samara/ca.pem --token-file /etc/samara/token
  containerd config dump >/tmp/config.toml && samara doctor --containerd-config /tmp/config.toml)";

absl::StatusOr<int> status_of(http::Client& client, const std::string& url, const peer::SiteAccess& access) {
  http::ClientRequest request;
  request.url = url;
  request.connect_timeout = request.idle_timeout = std::chrono::seconds(5);
  access.apply(request);
  SAMARA_ASSIGN_OR_RETURN(const http::Response response, client.get(request));
  return response.head.status;
}

// A site that wants a login for a registry says 401 at /v2/ too; at /metrics only whoever may not use it is refused.
absl::Status ask_site(const std::string& url, const peer::SiteAccess& access) {
  http::Client client;
  SAMARA_ASSIGN_OR_RETURN(int status, status_of(client, str_cat(url, "/v2/"), access));
  if (status == 401 || status == 403) {
    SAMARA_ASSIGN_OR_RETURN(status, status_of(client, str_cat(url, "/metrics"), access));
  }
  if (status == 200) return absl::OkStatus();
  const std::string text = str_cat("it answers ", status);
  return status == 401 || status == 403 ? absl::PermissionDeniedError(text) : absl::UnavailableError(text);
}

absl::Status ask_socket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string_view bare = std::string_view(path).starts_with("unix://") ? std::string_view(path).substr(7) : path;
  if (bare.empty() || bare.size() >= sizeof address.sun_path) return absl::InvalidArgumentError("not the path of a socket");
  std::memcpy(address.sun_path, bare.data(), bare.size());
  const Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return errno_status(errno, "socket");
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return errno_status(errno, "connect");
  return absl::OkStatus();
}

struct Options {
  Question question;
  peer::SiteAccess::Options access;
  bool json = false;
};

void print_json(const Options& options, const std::vector<Finding>& findings) {
  nlohmann::json list = nlohmann::json::array();
  for (const Finding& finding : findings)
    list.push_back({{"id", finding.id}, {"wrong", finding.wrong}, {"problem", finding.problem}, {"fix", finding.fix}});
  const nlohmann::json all = {{"config", options.question.config_file}, {"sites", options.question.sites}, {"findings", list}};
  std::printf("%s\n", all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

void print(const Options& options, const std::vector<Finding>& findings) {
  for (const Finding& finding : findings)
    std::printf("%s [%s] %s\n      %s\n", finding.wrong ? "wrong" : "note ", finding.id.c_str(), finding.problem.c_str(),
                finding.fix.c_str());
  if (findings.empty()) std::printf("%s: nothing is wrong\n", options.question.config_file.c_str());
}

int run(const Options& options) {
  const auto access = peer::SiteAccess::create(options.access);
  if (!access.ok()) return report(access.status());
  const Machine machine{"", [&](const std::string& url) { return ask_site(url, *access); }, ask_socket};
  const std::vector<Finding> findings = diagnose(options.question, machine);
  options.json ? print_json(options, findings) : print(options, findings);
  for (const Finding& finding : findings)
    if (finding.wrong) return 1;
  return 0;
}

}  // namespace

void add_doctor(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("doctor", "Finds what is wrong in a containerd configuration");
  command->footer(kHelp);
  command->add_option("--containerd-config", options->question.config_file, "containerd's configuration")->capture_default_str();
  command->add_option("--site", options->question.sites, "Where the site is that containerd should pull through")->capture_default_str();
  add_site_access(*command, options->access);
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options, &exit_code] { exit_code = run(*options); });
}

}  // namespace samara::cli
