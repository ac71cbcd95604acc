#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cache_index/image_cache.h"
#include "cache_index/store.h"
#include "peer/warm_protocol.h"
#include "snapshotter/labels.h"

namespace samara::snapshotter {

/// The names of the images that came to this node, warmed or pulled, and what belongs to them; docs/state.md has the rows.
///
/// Of a pulled image containerd tells the layers alone, and not always all at once. Names go by forget() only; an image of
/// which nothing is here any more isn't listed by ImageCache.
/// Threads: any.
class NodeImages final : public cache_index::ImageCache::Names {
 public:
  static std::vector<std::string> tables();
  /// `store` is borrowed and has tables(). `mounted`: the layers in the mount; an image is in use when all of its are.
  explicit NodeImages(cache_index::Store& store, std::function<std::set<Digest>()> mounted = nullptr)
      : store_(store), mounted_(std::move(mounted)) {}

  /// containerd has taken a layer of an image. One whose rows can't be written is logged.
  void note_pulled(const LayerRequest& request);
  absl::Status note_warmed(const peer::WarmImage& image);

  absl::StatusOr<std::vector<cache_index::ImageContents>> images() const override;
  absl::Status forget(const std::string& name) override;

 private:
  cache_index::Store& store_;
  const std::function<std::set<Digest>()> mounted_;
};

}  // namespace samara::snapshotter
