#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace samara::cli {

/// One thing that keeps containerd from pulling through Samara, or from starting containers lazily.
struct Finding {
  std::string id;       ///< for scripts: "annotations-off"
  bool wrong = true;    ///< false: worth knowing, nothing to mend
  std::string problem;  ///< what is the matter, and what follows from it
  std::string fix;      ///< what to do
};

/// What is looked at besides the configuration.
struct Machine {
  std::string root;  ///< before every path; empty for this machine
  std::function<absl::Status(const std::string& url)> ask_site;  ///< PermissionDenied: it answers, and lets nobody in
  std::function<absl::Status(const std::string& path)> ask_socket;
};

struct Question {
  std::string config_file = "/etc/containerd/config.toml";
  std::vector<std::string> sites{"http://127.0.0.1:7700"};  ///< any of which containerd should pull through
};

/// Looks through a containerd configuration, the hosts.toml files that it names, and what they need of the machine.
/// Nothing is changed. What isn't about lazy starts is looked at always; the rest once a snapshotter is configured.
std::vector<Finding> diagnose(const Question& question, const Machine& machine);

}  // namespace samara::cli
