#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace samara::tools {

/// What a kubelet does, as far as starting one program takes: a pod on the host's network, and a container in it.
/// Errors: those of the runtime, with its message. Threads: one.
class CriClient {
 public:
  /// `socket`: path of the runtime's Unix socket. `deadline`: of each call.
  CriClient(const std::string& socket, std::chrono::milliseconds deadline);
  ~CriClient();

  /// `credential`: "user:password" as a pod's secret would have it; empty: none.
  absl::Status pull(const std::string& image, const std::string& credential = "");
  absl::Status remove_image(const std::string& image);

  /// `log_directory`: where the logs of the pod's containers go; the pod is named after `name`.
  absl::StatusOr<std::string> run_pod(const std::string& name, const std::string& log_directory);
  absl::Status remove_pod(const std::string& pod);  ///< with its containers, running or not
  absl::StatusOr<std::vector<std::string>> pods();

  /// `command` empty: the image's own. Its output goes to `<log_directory>/output`. For the last pod of run_pod().
  absl::StatusOr<std::string> create_container(const std::string& pod, const std::string& image,
                                               const std::vector<std::string>& command);
  absl::Status start_container(const std::string& container);

  struct State {
    bool exited = false;
    int exit_code = 0;
    std::string reason;  ///< why it could not run, in the runtime's words; mostly empty
  };
  absl::StatusOr<State> state(const std::string& container);

  struct Executed {
    std::string output, errors;
    int exit_code = 0;
  };
  absl::StatusOr<Executed> execute(const std::string& container, const std::vector<std::string>& command);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace samara::tools
