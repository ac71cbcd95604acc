#include <CLI/CLI.hpp>
#include <cstdio>
#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/strip.h"
#include "base/http/client.h"
#include "base/status.h"
#include "base/text.h"
#include "commands.h"
#include "progress_line.h"
#include "site_options.h"

namespace samara::cli {
namespace {

constexpr const char* kHelp = R"(A site that has a parent site ([parent] in site.toml) writes down what the link to it carries, by day and by why:
reads that somebody waited for (blocking, trace, readahead), what came in the background, indexes, and what was asked of
registries by the parent. Days are those of UTC.

Examples:
  samara links
  samara links --site https://edge.example.com:7743 --token-file /etc/samara/token --days 30
  samara links --json)";

struct Options {
  peer::SiteAccess::Options access;
  std::string site = "http://127.0.0.1:7700";
  std::uint32_t days = 7;
  bool json = false;
};

std::string limit_text(std::uint64_t bytes, const char* per) {
  return bytes == 0 ? "no limit" : str_cat(human_size(bytes), per);
}

void print_day(const nlohmann::json& day) {
  std::printf("  %s %10s", day.value("date", "").c_str(), human_size(day.value("total", std::uint64_t{0})).c_str());
  const char* separator = "   ";
  const nlohmann::json by_traffic = day.value("bytes", nlohmann::json::object());
  for (const auto& [why, bytes] : by_traffic.items()) {
    const auto count = bytes.is_number_unsigned() ? bytes.get<std::uint64_t>() : 0;
    if (count == 0) continue;
    std::printf("%s%s %s", separator, why.c_str(), human_size(count).c_str());
    separator = ", ";
  }
  std::printf("\n");
}

std::string since_text(const nlohmann::json& link) {
  const auto since = static_cast<std::time_t>(link.value("since", std::uint64_t{0}));
  std::tm parts{};
  char text[32];
  if (::localtime_r(&since, &parts) == nullptr || std::strftime(text, sizeof text, "%F %T", &parts) == 0) return "";
  return text;
}

void print_link(const nlohmann::json& link) {
  const bool up = link.value("up", false);
  std::printf("%s: %s since %s%s%s\n", link.value("name", "").c_str(), up ? "up" : "down", since_text(link).c_str(),
              up ? "" : ": ", up ? "" : link.value("error", "").c_str());
  std::printf("  budget %s, %s; beyond it: %s\n", limit_text(link.value("bytes_per_second", std::uint64_t{0}), "/s").c_str(),
              limit_text(link.value("bytes_per_day", std::uint64_t{0}), " a day").c_str(),
              link.value("over_budget", "") == "reads" ? "everything but the background goes on" : "nothing");
  if (link.value("spent", false))
    std::printf("  the day's budget is used up: %s until midnight UTC\n",
                link.value("over_budget", "") == "reads" ? "the background stands still" : "nothing comes");
  for (const nlohmann::json& blob : link.value("arriving", nlohmann::json::array())) {
    std::printf("  arriving %s: %s of %s\n", blob.value("layer", "").c_str(),
                human_size(blob.value("bytes_here", std::uint64_t{0})).c_str(),
                human_size(blob.value("bytes", std::uint64_t{0})).c_str());
  }
  for (const nlohmann::json& day : link.value("days", nlohmann::json::array())) print_day(day);
}

absl::Status show(const Options& options) {
  SAMARA_ASSIGN_OR_RETURN(const peer::SiteAccess access, peer::SiteAccess::create(options.access));
  http::Client client;
  http::ClientRequest request;
  request.url = str_cat(absl::StripSuffix(options.site, "/"), "/samara/v1/links?days=", options.days);
  access.apply(request);
  SAMARA_ASSIGN_OR_RETURN(const http::Response response, client.get(request));
  if (response.head.status != 200) return absl::UnavailableError(str_cat("the site answers ", response.head.status, ": ", response.body));
  const nlohmann::json answer = nlohmann::json::parse(response.body, nullptr, false);
  if (!answer.is_object() || !answer.contains("links") || !answer["links"].is_array())
    return absl::UnavailableError("the site answers something else than links");
  if (options.json) {
    std::printf("%s\n", answer.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    return absl::OkStatus();
  }
  if (answer["links"].empty()) std::printf("no links: this site has no parent\n");
  for (const nlohmann::json& link : answer["links"]) print_link(link);
  return absl::OkStatus();
}

/// Values of another kind than the protocol's are the site's fault, and no reason to crash.
absl::Status show_safely(const Options& options) {
  try {
    return show(options);
  } catch (const nlohmann::json::exception& error) {
    return absl::UnavailableError(str_cat("the site's answer can't be read: ", error.what()));
  }
}

}  // namespace

void add_links(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("links", "Shows what a site's link to its parent may carry and has carried");
  command->footer(kHelp);
  command->add_option("--site", options->site, "The site's URL")->capture_default_str();
  command->add_option("--days", options->days, "How many days, the latest first")->check(CLI::Range(1, 400))->capture_default_str();
  command->add_flag("--json", options->json, "Print JSON");
  add_site_access(*command, options->access);
  command->callback([options, &exit_code] { exit_code = report(show_safely(*options)); });
}

}  // namespace samara::cli
