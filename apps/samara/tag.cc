#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/http/client.h"
#include "base/status.h"
#include "base/text.h"
#include "commands.h"
#include "site_options.h"

namespace samara::cli {
namespace {

constexpr const char* kHelp = R"(A site believes a tag for a while (tag_ttl) before it asks the registry again. This makes it ask now.

Examples:
  samara tag refresh python:3.12 registry.example.com/team/app
  samara tag refresh --site https://site.example.com:7700 --token-file /etc/samara/token python:3.12)";

struct Options {
  peer::SiteAccess::Options access;
  std::string site = "http://127.0.0.1:7700";
  std::vector<std::string> images;
};

// "key value" lines; docs of the route: peer/docs/site-protocol.md.
std::map<std::string, std::string> parse_lines(const std::string& text) {
  std::map<std::string, std::string> lines;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::pair<std::string, std::string> pair = absl::StrSplit(line, absl::MaxSplits(' ', 1));
    lines[pair.first] = pair.second;
  }
  return lines;
}

absl::Status refresh(http::Client& client, const peer::SiteAccess& access, const Options& options, const std::string& image) {
  http::ClientRequest request;
  request.method = "POST";
  request.url = str_cat(absl::StripSuffix(options.site, "/"), "/samara/v1/tags/refresh?image=", http::percent_encode(image));
  access.apply(request);
  SAMARA_ASSIGN_OR_RETURN(const http::Response response, client.get(request, 64 * 1024));
  const std::string answer(absl::StripSuffix(response.body, "\n"));
  if (response.head.status != 200)
    return absl::UnavailableError(str_cat(image, ": ", answer.empty() ? str_cat("the site answers ", response.head.status) : answer));
  const auto lines = parse_lines(answer);
  const auto line = [&](const char* key) {
    const auto it = lines.find(key);
    return it == lines.end() ? std::string() : it->second;
  };
  const std::string now = line("now"), was = line("was");
  const std::string change = was.empty() ? "new here" : was == now ? "unchanged" : str_cat("moved from ", was);
  std::printf("%s  %s  %s\n", line("image").c_str(), now.c_str(), change.c_str());
  return absl::OkStatus();
}

// All of them, whatever becomes of one.
int refresh_all(const Options& options) {
  const auto access = peer::SiteAccess::create(options.access);
  if (!access.ok()) return report(access.status());
  http::Client client;
  int exit_code = 0;
  for (const std::string& image : options.images) exit_code |= report(refresh(client, *access, options, image));
  return exit_code;
}

}  // namespace

void add_tag(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("tag", "What a site knows of tags");
  command->require_subcommand(1);
  CLI::App* refresh = command->add_subcommand("refresh", "Has a site ask the registry now what tags name");
  refresh->footer(kHelp);
  refresh->add_option("--site", options->site, "The site's URL")->capture_default_str();
  add_site_access(*refresh, options->access);
  refresh->add_option("image", options->images, "Image names with their tags; \"latest\" when there is none")->required();
  refresh->callback([options, &exit_code] { exit_code = refresh_all(*options); });
}

}  // namespace samara::cli
