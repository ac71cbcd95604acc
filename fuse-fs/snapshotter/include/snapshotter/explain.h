#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fuse_fs/lazy_mount.h"
#include "peer/slow_fetches.h"
#include "snapshotter/lazy_layers.h"

namespace samara::snapshotter {

/// A read that a container waited for, and why.
struct ExplainedRead {
  fuse_fs::SlowRead read;
  std::string image_ref;  ///< of the image that brought the layer
  Digest layer;           ///< of the compressed bytes; null when the layer is no longer here
  std::string path;       ///< the file's, or one of them; empty when not known
  std::uint32_t chunk = 0;                 ///< the one that took longest, where that is known
  std::optional<peer::SlowFetch> fetched;  ///< nullopt: too long ago, or the chunk wasn't slow
};

/// The slow reads of those containers whose cgroup or whose image's name contains `container`; all when it is empty.
/// The oldest first.
std::vector<ExplainedRead> explain(std::string_view container, const fuse_fs::LazyMount& mount, LazyLayers& layers,
                                   const std::function<std::optional<peer::SlowFetch>(const Digest& chunk)>& fetched);

}  // namespace samara::snapshotter
