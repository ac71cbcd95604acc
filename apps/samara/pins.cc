#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/status.h"
#include "commands.h"
#include "pins_client.h"
#include "progress_line.h"
#include "site_options.h"

namespace samara::cli {
namespace {

constexpr const char* kHelp = R"(A pin keeps a layer, an object or an image out of every eviction, with a reason and until a time.
It brings nothing here: pull or start it first.

NAME is a digest, or an image, as `samara image ls` shows it; `samara image pin` takes the short names that people
write, too.

Examples:
  samara pins
  samara pin add docker.io/library/python:3.12 --reason "nightly batch" --for 24h
  samara pin rm docker.io/library/python:3.12
  samara pins --address http://127.0.0.1:7700 --json)";

struct Options {
  std::string address = "unix:///run/samara/node.sock";
  peer::SiteAccess::Options access;  // to a site
  std::string name, reason, duration;
  bool json = false;
};

absl::Status list(const Options& options) {
  SAMARA_ASSIGN_OR_RETURN(const std::unique_ptr<Pins> at, pins_at(options.address, options.access));
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
    SAMARA_ASSIGN_OR_RETURN(seconds, seconds_of(options.duration, "--for"));
  }
  SAMARA_ASSIGN_OR_RETURN(const std::unique_ptr<Pins> at, pins_at(options.address, options.access));
  return at->add(options.name, options.reason, seconds);
}

absl::Status remove(const Options& options) {
  SAMARA_ASSIGN_OR_RETURN(const std::unique_ptr<Pins> at, pins_at(options.address, options.access));
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
