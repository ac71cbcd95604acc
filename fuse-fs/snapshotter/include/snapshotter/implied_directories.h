#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "peer/chunk_reader.h"

/// A layer's tar may hold "tmp/x" without ever naming "tmp": the directory is implied. An ordinary unpack makes it with
/// the mode, owner and xattrs that it has in the nearest layer below, and overlayfs shows the topmost layer's
/// attributes. A lazy layer shows what its index says, the same for every image; where that would differ from the
/// layers below, the layer can't be lazy there.
/// Source: containerd's archive package (how it makes missing parents); docs/containerd.md.
namespace samara::snapshotter {

/// What a path is in one layer.
struct LowerEntry {
  enum class Type { kAbsent, kDirectory, kOther };
  Type type = Type::kAbsent;
  std::uint32_t mode = 0;  ///< permission bits
  std::uint32_t uid = 0, gid = 0;
  std::map<std::string, std::string> xattrs;  ///< without overlayfs' own and security.selinux
};

/// Looks a path ("usr/share", "" for the root) up in one layer. kOther for what lies behind something that is no
/// directory.
using LowerLayer = std::function<absl::StatusOr<LowerEntry>(const std::string& path)>;
LowerLayer lower_layer(peer::LayerIndex index);
LowerLayer lower_layer(std::string directory);

/// The paths of the implied directories, parents first; the root is "". DataLoss when the index runs in a circle,
/// FailedPrecondition when a path is longer than any system call takes.
absl::StatusOr<std::vector<std::string>> implied_directories(const cache_index::IndexReader& index);

/// OK when every implied directory of `index` is right on top of `lower` (nearest first).
/// Errors: FailedPrecondition naming the first that isn't; DataLoss (damaged index).
absl::Status check_implied_directories(const peer::LayerIndex& index, const std::vector<LowerLayer>& lower);

}  // namespace samara::snapshotter
