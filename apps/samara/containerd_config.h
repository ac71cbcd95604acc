#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace samara::cli {

/// What a containerd configuration says of images and snapshots. nullopt and empty: it says nothing.
/// Source: containerd's docs/cri/config.md for 1.6, 1.7 and 2.x, and docs/PLUGINS.md.
struct ContainerdConfig {
  struct Proxy {
    std::string type;     ///< "snapshot"
    std::string address;  ///< of its socket
    std::string root;     ///< exports.root
    bool remote_annotations = false;  ///< exports.enable_remote_snapshot_annotations
  };

  std::int64_t version = 1;  ///< of the file's layout: 2 for containerd 1.3 to 1.7, 3 for 2.x
  std::optional<std::string> config_path;
  bool registry_mirrors = false;  ///< the old tables registry.mirrors and registry.configs
  bool registry_configs = false;
  std::string snapshotter;
  std::optional<bool> disable_snapshot_annotations;
  bool discard_unpacked_layers = false;
  std::optional<bool> use_local_image_pull;
  std::map<std::string, Proxy> proxies;          ///< by name
  std::vector<std::string> unpack_snapshotters;  ///< of the transfer service
  bool old_sections = false;  ///< 1.x's CRI section in a file of version 3, which 2.x doesn't read
  bool new_sections = false;  ///< 2.x's in a file of version 2, likewise for 1.x
  std::vector<std::string> imports;

  /// Is the layout that of containerd 2.x?
  bool is_two() const { return version >= 3; }
  /// The name of the section that holds a key, for advice.
  std::string images_section() const;
  std::string registry_section() const;
  std::string snapshotter_section() const;
};

/// Errors: InvalidArgument (not TOML, or a value of the wrong kind), with its place.
absl::StatusOr<ContainerdConfig> parse_containerd_config(std::string_view text, std::string_view name);

}  // namespace samara::cli
