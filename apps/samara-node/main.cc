#include <string_view>

#include "base/status.h"
#include "daemon.h"
#include "fuse_fs/connection_keeper.h"
#include "fuse_fs/preloader.h"
#include "node.h"
#include "options.h"

int main(int argc, char** argv) {
  // The node's own helpers, started by itself: nothing that a person would call.
  if (argc == 2 && argv[1] == samara::kHolderArgument) return samara::fuse_fs::run_holder(samara::fuse_fs::kHolderSocket);
  if (argc == 2 && argv[1] == samara::kPreloaderArgument) return samara::fuse_fs::run_preloader(0);

  samara::NodeOptions options;
  const samara::DaemonDescription description{
      .name = "samara-node",
      .summary = "Samara's node: the lazy filesystem and the snapshotter that containerd asks",
      .default_config = "/etc/samara/node.toml",
      .actions = {{.flag = "--unmount",
                   .help = "End the mounts that a stopped samara-node has left for the next one",
                   .run = [&] { return samara::unmount(options); }}}};
  const auto configure = [&](samara::Config& config) { return samara::read_options(config, options); };
  const auto run = [&](samara::StopSignal& stop) -> absl::Status {
    SAMARA_ASSIGN_OR_RETURN(const std::unique_ptr<samara::Node> node, samara::Node::start(options));
    stop.wait();
    return absl::OkStatus();
  };
  return samara::daemon_main(argc, argv, description, configure, run);
}
