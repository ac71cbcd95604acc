#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/digest.h"

namespace samara::snapshotter {

/// Values are those on the wire.
enum class Kind : std::uint8_t { kView = 1, kActive = 2, kCommitted = 3 };

/// "view", "active" or "committed": as containerd's filters spell them.
std::string_view kind_name(Kind kind);

using Labels = std::map<std::string, std::string>;

/// What containerd sees of a snapshot.
struct Info {
  std::string name;    ///< key of a view or an active snapshot, name of a committed one
  std::string parent;  ///< name of a committed snapshot; empty for none
  Kind kind = Kind::kActive;
  std::int64_t created_ns = 0;  ///< since the epoch
  std::int64_t updated_ns = 0;
  Labels labels;  ///< only those that containerd gave
};

/// A snapshot and where its own files are: in a lazy layer, or in a directory of its own named by `id`.
struct Snapshot {
  Info info;
  std::uint64_t id = 0;               ///< never used twice
  std::optional<std::uint32_t> slot;  ///< of the lazy layer
};

/// A layer in the FUSE mount: what is needed to attach it again without any network.
struct LazyLayer {
  std::uint32_t slot = 0;  ///< names this layer for ever
  Digest layer;            ///< of the compressed bytes
  Digest index;
  std::uint64_t index_size = 0;
  std::string image_ref;  ///< of the image that brought it, for people
};

}  // namespace samara::snapshotter
