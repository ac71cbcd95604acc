#include "daemon.h"

#include <CLI/CLI.hpp>
#include <filesystem>

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"

namespace samara {
namespace {

absl::StatusOr<Config> read_config(const std::string& path, const std::string& fallback) {
  if (!path.empty()) return Config::load(path);
  if (std::filesystem::exists(fallback)) return Config::load(fallback);
  return Config::parse("", "no configuration file");
}

int fail(const DaemonDescription& description, const absl::Status& status, int code) {
  log::error(str_cat(description.name, " stops"), {{"error", status}});
  return code;
}

// "<pages of address space> <resident pages> …", proc(5).
void count_memory(Metrics& metrics) {
  std::FILE* const file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return;
  unsigned long long resident = 0;
  const bool found = std::fscanf(file, "%*u %llu", &resident) == 1;
  std::fclose(file);
  if (!found) return;
  metrics.gauge("process_resident_memory_bytes", "Memory of this process that is in RAM")
      .set(static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE)));
}

}  // namespace

StopSignal::StopSignal() {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGTERM);
  sigaddset(&signals_, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

void StopSignal::wait() {
  int signal = 0;
  sigwait(&signals_, &signal);
  log::info("stopping", {{"signal", signal == SIGTERM ? "SIGTERM" : "SIGINT"}});
  pthread_sigmask(SIG_UNBLOCK, &signals_, nullptr);
}

int daemon_main(int argc, char** argv, const DaemonDescription& description,
                const std::function<absl::Status(Config&)>& configure,
                const std::function<absl::Status(StopSignal& stop)>& run) {
  StopSignal stop;
  std::string config_path, log_level = "info";
  bool check_config = false;
  CLI::App app{description.summary, description.name};
  app.set_version_flag("--version", SAMARA_VERSION);
  app.add_option("--config", config_path, str_cat("TOML file of options (default ", description.default_config, " if it exists)"));
  app.add_flag("--check-config", check_config, "Read the configuration, say what is wrong with it, and end");
  const std::function<absl::Status()>* action = nullptr;
  for (const DaemonDescription::Action& each : description.actions) {
    app.add_flag_callback(each.flag, [&] { action = &each.run; }, each.help);
  }
  app.add_option("--log-level", log_level, "debug, info, warning or error")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  log::set_level(log_level);

  absl::StatusOr<Config> config = read_config(config_path, description.default_config);
  if (!config.ok()) return fail(description, config.status(), 2);
  if (const absl::Status status = configure(*config); !status.ok()) return fail(description, status, 2);
  if (check_config) {
    log::info("the configuration is good");
    return 0;
  }
  if (action != nullptr) {
    const absl::Status status = (*action)();
    return status.ok() ? 0 : fail(description, status, 1);
  }
  if (const absl::Status status = run(stop); !status.ok()) return fail(description, status, 1);
  log::info(str_cat(description.name, " stopped"));
  return 0;
}

bool answer_health(const http::Request& request, http::ResponseWriter& response,
                   const std::function<absl::Status()>& ready) {
  const std::string& path = request.target.path;
  // A client that left before the answer is no error of ours: the statuses of respond() are dropped.
  if (path == "/healthz") {
    (void)response.respond(200, "ok\n", "text/plain");
  } else if (path == "/readyz") {
    const absl::Status status = ready();
    (void)response.respond(status.ok() ? 200 : 503, status.ok() ? "ready\n" : str_cat(to_std(status.message()), "\n"), "text/plain");
  } else {
    return false;
  }
  return true;
}

bool answer_metrics(const http::Request& request, http::ResponseWriter& response, Metrics& metrics) {
  if (request.target.path != "/metrics") return false;
  count_memory(metrics);
  (void)response.respond(200, metrics.expose(), "text/plain; version=0.0.4");
  return true;
}

}  // namespace samara
