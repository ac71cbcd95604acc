#include <sys/stat.h>
#include <sys/utsname.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "commands.h"
#include "containerd_setup.h"
#include "hosts_file.h"
#include "toml_text.h"

namespace samara::cli {
namespace {

constexpr const char* kHelp = R"(Makes containerd (1.6, 1.7 or 2.x) take its snapshots from samara-node: adds the snapshotter to its configuration and
chooses it. Shows every line that changes. Run again it changes nothing; --undo takes back what it did, and leaves what
was edited since. containerd has to be restarted afterwards; images pulled before have to be pulled again to be lazy.

Examples:
  samara node setup --print             # only shows it
  samara node setup
  samara node setup --undo
  samara node setup --containerd 2.1 --config /etc/containerd/config.toml   # where there is no configuration yet)";

struct Options {
  std::string config = "/etc/containerd/config.toml";
  std::string containerd;
  bool print = false;
  bool undo = false;
  NodeSetup setup;
};

/// FUSE mounts can have mapped ids since Linux 6.12.
bool kernel_maps_ids() {
  utsname system{};
  int major = 0, minor = 0;
  if (::uname(&system) != 0 || std::sscanf(system.release, "%d.%d", &major, &minor) != 2) return false;
  return major > 6 || (major == 6 && minor >= 12);
}

absl::Status run(Options& options) {
  options.setup.id_mapped_mounts = kernel_maps_ids();
  if (!options.containerd.empty()) options.setup.layout = options.containerd.starts_with("1") ? 2 : 3;
  const auto found = read_file(options.config, 4u << 20);
  if (!found.ok() && !absl::IsNotFound(found.status())) return found.status();
  const std::string before = found.value_or("");
  std::string after;
  if (options.undo) {
    after = TomlText::undo(before);
  } else {
    SAMARA_ASSIGN_OR_RETURN(after, set_up_containerd(before, options.setup));
  }
  if (after == before) {
    std::printf("%s: unchanged\n", options.config.c_str());
    return absl::OkStatus();
  }
  std::printf("%s: %s\n", options.config.c_str(), options.print ? "would change" : "changed");
  for (const std::string& line : changed_lines(before, after)) std::printf("  %s\n", line.c_str());
  if (options.print) return absl::OkStatus();
  struct stat info {};
  const unsigned mode = ::stat(options.config.c_str(), &info) == 0 ? info.st_mode & 0777 : 0644;
  SAMARA_RETURN_IF_ERROR(write_file_atomic(options.config, after, mode));
  std::printf("restart containerd for it to take effect, e.g. systemctl restart containerd\n");
  return absl::OkStatus();
}

}  // namespace

void add_node(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* node = app.add_subcommand("node", "Sets this machine up as a node");
  node->require_subcommand(1);
  CLI::App* command = node->add_subcommand("setup", "Makes containerd take its snapshots from samara-node");
  command->footer(kHelp);
  command->add_option("--config", options->config, "containerd's configuration")->capture_default_str();
  command->add_option("--containerd", options->containerd, "containerd's version, where there is no configuration yet")
      ->check(CLI::IsMember({"1.6", "1.7", "2.0", "2.1", "2.2", "2.3"}));
  command->add_option("--snapshotter", options->setup.address, "Where samara-node's snapshotter listens")->capture_default_str();
  command->add_option("--root", options->setup.root, "samara-node's root")->capture_default_str();
  command->add_option("--certs-d", options->setup.certs_d, "containerd's config_path, if it has none")->capture_default_str();
  command->add_flag("--print", options->print, "Show what would change and write nothing");
  command->add_flag("--undo", options->undo, "Take back what this command did");
  command->callback([options, &exit_code] { exit_code = report(run(*options)); });
}

}  // namespace samara::cli
