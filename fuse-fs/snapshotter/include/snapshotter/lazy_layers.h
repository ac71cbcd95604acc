#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cache_index/cache.h"
#include "fuse_fs/lazy_mount.h"
#include "snapshotter/background_fetch.h"
#include "snapshotter/implied_directories.h"
#include "snapshotter/layer_finder.h"
#include "snapshotter/metadata.h"
#include "snapshotter/node_images.h"

namespace samara::snapshotter {

/// The layers in the FUSE mount: one slot a layer, shared by all snapshots that use it, attached as long as one does.
///
/// Threads: any. Nothing here reads through the mount.
class LazyLayers {
 public:
  /// Everything is borrowed; `background` and `images` may be null.
  LazyLayers(LayerFinder& finder, fuse_fs::LazyMount& mount, cache_index::Cache& cache, Metadata& metadata,
             BackgroundFetch* background, NodeImages* images = nullptr);

  /// Attaches what the metadata says, from local indexes. A layer whose index is missing is left out, logged, and
  /// looked for again by ensure().
  void restore();

  /// Finds the layer, checks that it is right on top of `chain` (nearest first; `lower` are the same layers' files) and
  /// attaches it. The caller has one more use of its slot, until release().
  /// Errors: those of LayerFinder::find() and check_implied_directories(): take an ordinary snapshot then.
  absl::StatusOr<LazyLayer> acquire(const LayerRequest& request, const std::optional<Digest>& parent,
                                    const std::vector<LowerLayer>& lower);
  /// One use less; the last one takes the layer off the mount.
  void release(std::uint32_t slot);

  /// Makes sure that the layer is attached, fetching its index again if need be; Unavailable otherwise.
  absl::Status ensure(std::uint32_t slot);
  /// NotFound when it isn't attached.
  absl::StatusOr<peer::LayerIndex> index(std::uint32_t slot) const;
  /// Of the image that brought the layer; empty when there is no such slot.
  std::string image_ref(std::uint32_t slot) const;
  /// Null when there is no such slot.
  Digest layer_digest(std::uint32_t slot) const;
  std::string path(std::uint32_t slot) const { return mount_.path(slot); }

  struct State {
    LazyLayer layer;
    Digest diff_id;
    bool attached = false;
    std::uint32_t inodes = 0;
    cache_index::Cache::Presence presence;
  };
  /// The indexes of all layers here, attached or still looked for; opened where attached.
  cache_index::Cache::InUse in_use() const;
  /// The layers here, by their own digests.
  std::set<Digest> layer_digests() const;
  absl::StatusOr<State> state(std::uint32_t slot);
  std::vector<State> states();

 private:
  struct Entry {
    LazyLayer layer;
    peer::LayerIndex index;  // null while not attached
    std::size_t users = 0;
    std::optional<cache_index::Cache::Presence> complete;  // once everything is there
  };

  absl::StatusOr<LazyLayer> attach_found(const LayerFinder::Found& found, const std::string& image_ref);
  absl::Status attach(const LazyLayer& layer, peer::LayerIndex index);

  LayerFinder& finder_;
  fuse_fs::LazyMount& mount_;
  cache_index::Cache& cache_;
  Metadata& metadata_;
  BackgroundFetch* background_;
  NodeImages* images_;
  std::mutex attaching_;      // orders attach and detach of one slot; taken before mutex_
  mutable std::mutex mutex_;  // guards entries_
  std::map<std::uint32_t, Entry> entries_;
};

}  // namespace samara::snapshotter
