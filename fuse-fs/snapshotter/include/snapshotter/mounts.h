#pragma once

#include <optional>
#include <string>
#include <vector>

#include "snapshotter/labels.h"
#include "snapshotter/snapshot.h"

namespace samara::snapshotter {

/// One mount for containerd to make; the last of a list is the one that counts.
struct Mount {
  std::string type;
  std::string source;
  std::vector<std::string> options;

  bool operator==(const Mount&) const = default;
};

/// Where a snapshot's files are.
struct MountPlan {
  Kind kind = Kind::kActive;
  std::string upper;               ///< its own files; empty for a view with parents
  std::string work;                ///< overlayfs' scratch directory, on the same file system as `upper`
  std::vector<std::string> lower;  ///< its parents' files, nearest first
  std::optional<IdMapping> ids = std::nullopt;  ///< that the lower files are to be shown with
};

/// How to mount it.
///   no parent                  bind of its own directory, rw; ro for a view
///   a view of one parent       bind of the parent's directory, ro
///   a view of several          overlay without upper directory
///   active with parents        overlay; with `ids`, options that have containerd (since 2.0) map the lower directories
/// `index_off`: this kernel's overlayfs knows the option "index"; it is switched off, because an upper directory may
/// be mounted over different lowers one after the other.
std::vector<Mount> make_mounts(const MountPlan& plan, bool index_off);

/// Does this kernel's overlayfs know the option "index"?
bool overlay_has_index();

}  // namespace samara::snapshotter
