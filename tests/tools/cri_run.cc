// Starts containers through CRI and says how long each step took.
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "cri_client.h"

namespace samara::tools {
namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

struct RunOptions {
  std::string image;
  std::string auth;  ///< "user:password"
  std::vector<std::string> command;
  std::string logs = "/tmp";  ///< where a directory for the pod's logs is made
  std::chrono::seconds patience{300};
  bool pull = true;
  bool keep = false;    ///< leave the pod when the program has ended
  bool detach = false;  ///< don't wait for the program
  bool first_output_only = false;  ///< wait no longer than until it prints something
};

/// Milliseconds of each step; first_output counts from the start of the pull.
struct RunResult {
  std::string pod, container;
  double pull = 0, sandbox = 0, create = 0, start = 0, first_output = 0, total = 0;
  int exit_code = 0;
  std::string output, reason;
};

/// A container log, read back as what the program wrote. Lines are "<time> <stream> <F or P> <text>", P where the
/// runtime cut a long line. Source: Kubernetes, "CRI: Log management for container stdout/stderr streams".
std::string read_log(const std::string& path) {
  std::ifstream file(path);
  std::string output, line;
  while (std::getline(file, line)) {
    std::istringstream fields(line);
    std::string time, stream, tag;
    fields >> time >> stream >> tag;
    const std::size_t text = time.size() + stream.size() + tag.size() + 3;
    if (text <= line.size()) str_append(&output, line.substr(text), tag == "F" ? "\n" : "");
  }
  return output;
}

/// Waits for a log's first byte, for as long as the container runs.
class LogWatch {
 public:
  explicit LogWatch(const std::string& directory) : path_(directory + "/output"), inotify_(inotify_init1(IN_CLOEXEC)) {
    inotify_add_watch(inotify_.get(), directory.c_str(), IN_MODIFY | IN_CREATE);
  }
  bool has_output() const {
    std::error_code error;
    const auto size = std::filesystem::file_size(path_, error);
    return !error && size > 0;
  }
  /// Until something changes in the directory, but no longer than `timeout`.
  void wait(std::chrono::milliseconds timeout) {
    pollfd ready{inotify_.get(), POLLIN, 0};
    char events[4096];
    if (poll(&ready, 1, static_cast<int>(timeout.count())) > 0 && read(inotify_.get(), events, sizeof events) < 0) return;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  Fd inotify_;
};

/// Follows a started container until it ends; notes when its first output came.
absl::Status follow(CriClient& client, LogWatch& log, Clock::time_point begin, const RunOptions& options,
                    RunResult& result) {
  while (Clock::now() - begin < options.patience) {
    if (result.first_output == 0 && log.has_output()) result.first_output = ms_since(begin);
    SAMARA_ASSIGN_OR_RETURN(const CriClient::State state, client.state(result.container));
    if (state.exited && result.first_output == 0 && log.has_output()) result.first_output = ms_since(begin);
    if (state.exited || (options.first_output_only && result.first_output > 0)) {
      result.total = ms_since(begin);
      result.exit_code = state.exit_code;
      result.reason = state.reason;
      result.output = read_log(log.path());
      return absl::OkStatus();
    }
    log.wait(std::chrono::milliseconds(20));
  }
  return absl::DeadlineExceededError("the container is still running");
}

/// Measures one step: runs `step` and leaves its time in `ms`.
template <typename Step>
auto timed(double& ms, Step&& step) {
  const Clock::time_point start = Clock::now();
  auto result = step();
  ms = ms_since(start);
  return result;
}

absl::Status run_in_pod(CriClient& client, const RunOptions& options, Clock::time_point begin,
                        const std::string& directory, RunResult& result) {
  LogWatch log(directory);
  SAMARA_ASSIGN_OR_RETURN(result.container, timed(result.create, [&] {
    return client.create_container(result.pod, options.image, options.command);
  }));
  SAMARA_RETURN_IF_ERROR(timed(result.start, [&] { return client.start_container(result.container); }));
  if (options.detach) return absl::OkStatus();
  return follow(client, log, begin, options, result);
}

absl::StatusOr<RunResult> run(CriClient& client, const RunOptions& options) {
  RunResult result;
  std::string directory = options.logs + "/cri_run.XXXXXX";
  if (mkdtemp(directory.data()) == nullptr) return errno_status(errno, "mkdtemp " + directory);

  const Clock::time_point begin = Clock::now();
  if (options.pull) SAMARA_RETURN_IF_ERROR(timed(result.pull, [&] { return client.pull(options.image, options.auth); }));
  const std::string name = std::filesystem::path(directory).filename();
  SAMARA_ASSIGN_OR_RETURN(result.pod, timed(result.sandbox, [&] { return client.run_pod(name, directory); }));
  const absl::Status ran = run_in_pod(client, options, begin, directory, result);
  if (options.detach && ran.ok()) return result;
  if (!options.keep) {
    SAMARA_RETURN_IF_ERROR(client.remove_pod(result.pod));
    std::filesystem::remove_all(directory);
  }
  SAMARA_RETURN_IF_ERROR(ran);
  return result;
}

std::string to_json(const RunOptions& options, const RunResult& result) {
  const nlohmann::json json = {
      {"image", options.image},         {"pod", result.pod},       {"container", result.container},
      {"pull_ms", result.pull},         {"sandbox_ms", result.sandbox}, {"create_ms", result.create},
      {"start_ms", result.start},       {"first_output_ms", result.first_output}, {"total_ms", result.total},
      {"exit_code", result.exit_code},  {"reason", result.reason}, {"output", result.output}};
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void print(const RunOptions& options, const RunResult& result) {
  std::cout << result.output << std::flush;
  if (options.detach) std::cout << result.pod << ' ' << result.container << std::endl;
  std::fprintf(stderr, "pull %.0f ms, sandbox %.0f ms, create %.0f ms, start %.0f ms, first output after %.0f ms\n",
               result.pull, result.sandbox, result.create, result.start, result.first_output);
}

int report(const absl::Status& status) {
  if (status.ok()) return 0;
  std::cerr << "cri_run: " << status.message() << std::endl;
  return 1;
}

int run_command(CriClient& client, const RunOptions& options, bool json) {
  const absl::StatusOr<RunResult> result = run(client, options);
  if (!result.ok()) return report(result.status());
  if (json) {
    std::cout << to_json(options, *result) << std::endl;
    return 0;
  }
  print(options, *result);
  return result->exit_code;
}

int exec_command(CriClient& client, const std::string& container, const std::vector<std::string>& command) {
  const absl::StatusOr<CriClient::Executed> result = client.execute(container, command);
  if (!result.ok()) return report(result.status());
  std::cout << result->output;
  std::cerr << result->errors;
  return result->exit_code;
}

int remove_pods(CriClient& client, std::vector<std::string> pods, bool all) {
  if (all) {
    absl::StatusOr<std::vector<std::string>> every = client.pods();
    if (!every.ok()) return report(every.status());
    pods = *std::move(every);
  }
  int exit_code = 0;
  for (const std::string& pod : pods) exit_code |= report(client.remove_pod(pod));
  return exit_code;
}

int main(int argc, char** argv) {
  CLI::App app{"Starts containers through CRI and says how long each step took"};
  app.require_subcommand(1);
  std::string socket, container;
  RunOptions options;
  std::vector<std::string> pods;
  bool json = false, all = false;
  int deadline_s = 300;
  app.add_option("--socket", socket, "containerd's socket")->required();
  app.add_option("--deadline", deadline_s, "seconds for each call");

  CLI::App* pull = app.add_subcommand("pull", "pull an image");
  pull->add_option("--auth", options.auth, "user:password, as from a pod's secret");
  pull->add_option("image", options.image)->required();
  CLI::App* rmi = app.add_subcommand("rmi", "remove an image");
  rmi->add_option("image", options.image)->required();
  CLI::App* run = app.add_subcommand("run", "pull, start a pod and a program in it, print its output, remove the pod");
  run->add_flag("--json", json, "print everything as one line of JSON; exit 0 whatever the program returned");
  run->add_flag("--keep", options.keep, "leave the pod");
  run->add_flag("--detach", options.detach, "leave it running; print the ids of pod and container");
  run->add_flag("!--no-pull", options.pull, "the image is here already; needs no registry");
  run->add_flag("--first-output", options.first_output_only, "don't wait for the end, only for the first output");
  run->add_option("--auth", options.auth, "user:password for the pull, as from a pod's secret");
  run->add_option("--logs", options.logs, "directory for the container's log");
  run->add_option("image", options.image)->required();
  run->add_option("command", options.command, "after --; the image's own when there is none");
  CLI::App* exec = app.add_subcommand("exec", "run a program in a container");
  exec->add_option("container", container)->required();
  exec->add_option("command", options.command, "after --")->required();
  CLI::App* rm = app.add_subcommand("rm", "stop and remove pods");
  rm->add_option("pod", pods);
  rm->add_flag("--all", all, "every pod");
  CLI11_PARSE(app, argc, argv);

  CriClient client(socket, std::chrono::seconds(deadline_s));
  if (*pull) return report(client.pull(options.image, options.auth));
  if (*rmi) return report(client.remove_image(options.image));
  if (*run) return run_command(client, options, json);
  if (*exec) return exec_command(client, container, options.command);
  return remove_pods(client, pods, all);
}

}  // namespace
}  // namespace samara::tools

int main(int argc, char** argv) { return samara::tools::main(argc, argv); }
