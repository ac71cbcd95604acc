#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "commands.h"
#include "hosts_file.h"
#include "peer/site_protocol.h"

namespace samara::cli {
namespace {

constexpr const char* kHelp = R"(Writes the files by which containerd pulls through a site, one directory a registry. containerd
reads them on use: it isn't restarted. Its configuration has to name the directory (config_path); `samara doctor` tells.
A file that something else wrote is left alone, unless --force is given.

Examples:
  samara hosts-toml                                      # every registry, through the site on this machine
  samara hosts-toml --registry docker.io --registry ghcr.io --site http://10.0.0.2:7700
  samara hosts-toml --site https://site:7700 --ca /etc/samara/ca.pem --token-file /etc/samara/token --containerd 2.1
  samara hosts-toml --site http://10.0.0.1:7700 --site http://10.0.0.2:7700   # the second when the first is gone
  samara hosts-toml --node http://127.0.0.1:7701         # ... and warmed images start without the site
  samara hosts-toml --print                              # only shows it)";

struct Options {
  std::vector<std::string> registries{"_default"};
  std::string output = "/etc/containerd/certs.d";
  std::string containerd = "1.6";
  std::string token_file;
  bool print = false;
  bool force = false;
  SiteAccess site;
};

// Writes one file, or says why not. A file with a token is for root's eyes.
absl::Status write_one(const std::string& directory, const std::string& text, const Options& options) {
  const std::string path = str_cat(directory, "/hosts.toml");
  const auto before = read_file(path, 1u << 20);
  if (!before.ok() && !absl::IsNotFound(before.status())) return annotate(before.status(), path);
  if (before.ok() && *before == text) {
    std::printf("%s: unchanged\n", path.c_str());
    return absl::OkStatus();
  }
  if (before.ok() && !is_our_hosts_file(*before) && !options.force)
    return absl::FailedPreconditionError(str_cat(path, " was written by something else; --force replaces it"));
  SAMARA_RETURN_IF_ERROR(make_directories(directory));
  SAMARA_RETURN_IF_ERROR(write_file_atomic(path, text, options.site.token.empty() ? 0644 : 0600));
  std::printf("%s: %s\n", path.c_str(), before.ok() ? "changed" : "written");
  for (const std::string& line : changed_lines(before.value_or(""), text)) {
    const std::size_t token = line.find(peer::kTokenHeader);
    std::printf("  %s\n", token == std::string::npos ? line.c_str() : str_cat(line.substr(0, token), "(secret)").c_str());
  }
  return absl::OkStatus();
}

absl::Status run(Options& options) {
  options.site.containerd_major = options.containerd.starts_with("1.") || options.containerd == "1" ? 1 : 2;
  if (!options.token_file.empty()) {
    SAMARA_ASSIGN_OR_RETURN(const std::string token, read_file(options.token_file, 1u << 16));
    options.site.token = std::string(absl::StripAsciiWhitespace(token));
    if (options.site.token.empty()) return absl::InvalidArgumentError(str_cat(options.token_file, " holds no token"));
  }
  std::vector<std::string> texts;  // all, before the first is written
  for (const std::string& registry : options.registries) {
    SAMARA_ASSIGN_OR_RETURN(std::string text, hosts_file(registry, options.site));
    texts.push_back(std::move(text));
  }
  absl::Status result;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::string directory = str_cat(options.output, "/", options.registries[i]);
    if (options.print) {
      std::printf("# %s/hosts.toml\n%s%s", directory.c_str(), texts[i].c_str(), i + 1 < texts.size() ? "\n" : "");
    } else if (const absl::Status written = write_one(directory, texts[i], options); !written.ok()) {
      (void)report(written);  // and on to the others
      result = absl::AbortedError("not every file was written");
    }
  }
  return result;
}

}  // namespace

void add_hosts_toml(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("hosts-toml", "Writes what containerd needs to pull through a site");
  command->footer(kHelp);
  command->add_option("--registry", options->registries, "A registry's host[:port]; _default for all without their own")
      ->capture_default_str();
  command->add_option("--site", options->site.urls, "Where the site is; each of its samara-sites, where there are several, in order")
      ->capture_default_str();
  command->add_option("--node", options->site.node,
                      "samara-node on this machine (http://127.0.0.1:7701): names what was warmed here while the site is away");
  auto* output = command->add_option("--output", options->output, "containerd's certs.d")->capture_default_str();
  command->add_flag("--print", options->print, "Print it and write nothing")->excludes(output);
  command->add_flag("--only", options->site.only, "Never ask the registry itself, not even when the site is away");
  command->add_option("--ca", options->site.ca_file, "PEM file of the CA that signed the site's certificate");
  command->add_option("--client-cert,--certificate", options->site.cert_file, "PEM file of the certificate to show the site");
  command->add_option("--client-key,--key", options->site.key_file, "PEM file of its key");
  command->add_option("--token-file", options->token_file, "File with the token that the site wants");
  command->add_option("--containerd", options->containerd, "containerd's version, such as 1.6, 1.7, 2.1")
      ->check(CLI::IsMember({"1", "1.6", "1.7", "2", "2.0", "2.1", "2.2", "2.3"}))
      ->capture_default_str();
  command->add_flag("--force", options->force, "Replace files that something else wrote");
  command->callback([options, &exit_code] { exit_code = report(run(*options)); });
}

}  // namespace samara::cli
