#pragma once

#include <csignal>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/config.h"
#include "base/http/server.h"
#include "base/metrics.h"

/// What samara-site and samara-node have in common: flags, the configuration file, signals, health endpoints.
namespace samara {

struct DaemonDescription {
  std::string name;            ///< "samara-node"
  std::string summary;         ///< one line for --help
  std::string default_config;  ///< read when it exists and --config isn't given
  /// What the program can do with its configuration instead of running.
  struct Action {
    std::string flag;  ///< "--unmount"
    std::string help;
    std::function<absl::Status()> run;
  };
  std::vector<Action> actions{};
};

/// SIGTERM and SIGINT, blocked in every thread from construction on: make it in main before anything starts threads.
/// SIGPIPE is ignored.
class StopSignal {
 public:
  StopSignal();
  /// Returns when the first of them comes. A second one while the daemon is stopping ends the process at once.
  void wait();

 private:
  sigset_t signals_;
};

/// Runs a daemon's main: parses the flags, reads the configuration, then `run` (which waits for `stop` itself and
/// returns when everything is down). `configure` reads the options and ends with Config::finish(); with
/// --check-config nothing else happens.
/// Returns the exit code: 0 stopped cleanly, 1 failed, 2 flags or configuration wrong.
int daemon_main(int argc, char** argv, const DaemonDescription& description,
                const std::function<absl::Status(Config&)>& configure,
                const std::function<absl::Status(StopSignal& stop)>& run);

/// Answers /healthz (200 while the process lives) and /readyz (200, or 503 with the reason); false when the request is
/// for something else.
bool answer_health(const http::Request& request, http::ResponseWriter& response,
                   const std::function<absl::Status()>& ready);
/// The same for /metrics.
bool answer_metrics(const http::Request& request, http::ResponseWriter& response, Metrics& metrics);

}  // namespace samara
