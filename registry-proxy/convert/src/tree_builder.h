#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cache_index/layer_tree.h"
#include "tar_entry.h"

namespace samara::convert {

/// Makes a LayerTree of a layer's entries, as containerd's unpacking for overlayfs makes a directory of them;
/// docs/tar-to-tree.md lists the rules and where we differ.
///
/// Errors: Unimplemented (the layer is well-formed but can't be shown lazily, or containerd wouldn't unpack it either:
/// hard link to nothing, parent that is no directory, too many nodes), DataLoss (names that no file system takes).
/// Both name the entry.
/// Threads: one at a time.
class TreeBuilder {
 public:
  /// Bounds what a hostile layer makes us hold.
  struct Limits {
    std::uint64_t tree_bytes = 1ull << 30;  ///< estimate of what the nodes take
    std::uint64_t hole_bytes = 16ull << 30;  ///< zeros of sparse files, together
    std::uint64_t file_bytes = 1ull << 40;   ///< one file
  };
  static constexpr int kMaxLinksFollowed = 40;

  TreeBuilder() : TreeBuilder(Limits{}) {}
  explicit TreeBuilder(Limits limits);

  /// Applies an entry. The number of the node that gets the entry's content, when it is a regular file; nullopt when
  /// the entry has no content of its own, or one that is of no use (a whiteout's).
  absl::StatusOr<std::optional<std::uint32_t>> add(const TarEntry& entry);
  /// Counts zeros of a sparse file. Errors: Unimplemented beyond the limit.
  absl::Status add_hole(std::uint64_t size);
  void set_data_offset(std::uint32_t node, std::uint64_t offset) { tree_.nodes[node].data_offset = offset; }

  cache_index::LayerTree take() { return std::move(tree_); }

 private:
  using Path = std::vector<std::string>;
  struct Place {
    std::uint32_t directory = 0;
    std::string name;
  };

  absl::StatusOr<std::optional<std::uint32_t>> apply(const TarEntry& entry);
  absl::StatusOr<std::optional<std::uint32_t>> put(const TarEntry& entry, const Place& place);
  absl::StatusOr<bool> whiteout(const TarEntry& entry, const Place& place);
  absl::StatusOr<std::uint32_t> link_target(const TarEntry& entry);
  /// Follows symlinks of this layer; ".." and absolute targets stay below the root. The deepest directory on `path`
  /// that exists, and how many components led to it; `path` is changed to the one without symlinks.
  absl::StatusOr<std::uint32_t> walk(Path& path, std::size_t& existing) const;
  absl::StatusOr<std::uint32_t> make_directories(Path path);
  absl::StatusOr<std::uint32_t> make_node(std::uint32_t mode);
  absl::Status charge(std::uint64_t bytes);
  absl::Status set_attributes(const TarEntry& entry, std::uint32_t node);
  std::optional<std::uint32_t> child(std::uint32_t directory, const std::string& name) const;

  Limits limits_;
  std::uint64_t tree_bytes_ = 0, hole_bytes_ = 0;
  cache_index::LayerTree tree_;
};

}  // namespace samara::convert
