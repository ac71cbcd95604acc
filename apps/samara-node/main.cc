#include "base/status.h"
#include "daemon.h"
#include "node.h"
#include "options.h"

int main(int argc, char** argv) {
  const samara::DaemonDescription description{
      .name = "samara-node",
      .summary = "Samara's node: the lazy filesystem and the snapshotter that containerd asks",
      .default_config = "/etc/samara/node.toml"};
  samara::NodeOptions options;
  const auto configure = [&](samara::Config& config) { return samara::read_options(config, options); };
  const auto run = [&](samara::StopSignal& stop) -> absl::Status {
    SAMARA_ASSIGN_OR_RETURN(const std::unique_ptr<samara::Node> node, samara::Node::start(options));
    stop.wait();
    return absl::OkStatus();
  };
  return samara::daemon_main(argc, argv, description, configure, run);
}
