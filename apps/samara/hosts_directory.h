#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace samara::cli {

/// One hosts.toml: whom containerd asks for images of one registry.
struct HostsEntry {
  struct Host {
    std::string url;
    bool pull = false, resolve = false;
  };
  std::string registry;  ///< the directory's name, "_default" for all others
  std::string path;
  std::string server;  ///< asked last
  std::vector<Host> hosts;
};

/// What containerd finds below a config_path.
struct HostsDirectory {
  std::string path;
  std::vector<HostsEntry> entries;
  std::vector<std::string> failures;  ///< files that can't be read, each with the reason
};

/// Reads `config_path`, which may be several directories separated by ':'; `root` is put before each. Where several have
/// the same registry, the first counts, as it does for containerd.
HostsDirectory read_hosts(std::string_view config_path, const std::string& root);

}  // namespace samara::cli
