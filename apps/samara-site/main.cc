#include "daemon.h"
#include "options.h"
#include "site.h"

#include "base/status.h"

int main(int argc, char** argv) {
  const samara::DaemonDescription description{
      .name = "samara-site",
      .summary = "Samara's registry mirror and converter: what containerd pulls through and nodes read from",
      .default_config = "/etc/samara/site.toml"};
  samara::SiteOptions options;
  const auto configure = [&](samara::Config& config) { return samara::read_options(config, options); };
  const auto run = [&](samara::StopSignal& stop) -> absl::Status {
    SAMARA_ASSIGN_OR_RETURN(const std::unique_ptr<samara::Site> site, samara::Site::start(options));
    stop.wait();
    return absl::OkStatus();
  };
  return samara::daemon_main(argc, argv, description, configure, run);
}
