#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace samara::cli {

/// What containerd is to know of the node.
struct NodeSetup {
  std::string address = "/run/samara/snapshotter.sock";  ///< of the snapshotter
  std::string root = "/var/lib/samara/node";             ///< where it keeps what it has: the kubelet's image filesystem
  std::string certs_d = "/etc/containerd/certs.d";       ///< config_path, where containerd has none
  bool id_mapped_mounts = false;  ///< this kernel can map ids of FUSE mounts: containerd 2 is told that we do for user namespaces
  int layout = 0;  ///< of an empty file: 2 for containerd 1.6 and 1.7, 3 for 2.x
};

/// containerd's configuration `text` with the node's snapshotter in it; unchanged where it is there already. Comments,
/// order and everything else stay.
/// Errors: InvalidArgument (not TOML; an empty file and no layout), FailedPrecondition (layout 1, or the keys stand there
/// in a form that can't be edited line by line), each saying what to do.
/// Source: containerd's docs/cri/config.md and docs/PLUGINS.md for 1.6, 1.7 and 2.x.
absl::StatusOr<std::string> set_up_containerd(std::string_view text, const NodeSetup& setup);

}  // namespace samara::cli
