#include "snapshotter/explain.h"

#include <map>
#include <set>
#include <utility>

#include "snapshotter/layer_paths.h"

namespace samara::snapshotter {
namespace {

void add_fetch(ExplainedRead& explained, const cache_index::IndexReader& layer,
               const std::function<std::optional<peer::SlowFetch>(const Digest&)>& fetched) {
  explained.chunk = explained.read.first_chunk;
  for (std::uint32_t chunk = explained.read.first_chunk; chunk <= explained.read.last_chunk; ++chunk) {
    const auto found = layer.chunk(chunk);
    if (!found.ok()) return;
    std::optional<peer::SlowFetch> slow = fetched(found->digest);
    if (!slow || (explained.fetched && slow->took <= explained.fetched->took)) continue;
    explained.chunk = chunk;
    explained.fetched = std::move(slow);
  }
}

void add_paths(const cache_index::IndexReader& layer, std::uint32_t slot, std::vector<ExplainedRead>& reads) {
  std::set<std::uint32_t> inodes;
  for (const ExplainedRead& each : reads) {
    if (each.read.slot == slot) inodes.insert(each.read.inode);
  }
  const std::map<std::uint32_t, std::string> paths = paths_of(layer, inodes);
  for (ExplainedRead& each : reads) {
    const auto path = paths.find(each.read.inode);
    if (each.read.slot == slot && path != paths.end()) each.path = path->second;
  }
}

}  // namespace

std::vector<ExplainedRead> explain(std::string_view container, const fuse_fs::LazyMount& mount, LazyLayers& layers,
                                   const std::function<std::optional<peer::SlowFetch>(const Digest&)>& fetched) {
  std::vector<ExplainedRead> reads;
  std::map<std::uint32_t, peer::LayerIndex> used;
  for (fuse_fs::SlowRead& read : mount.slow_reads()) {
    const std::string image = layers.image_ref(read.slot);
    if (read.cgroup.find(container) == std::string::npos && image.find(container) == std::string::npos) continue;
    ExplainedRead explained;
    explained.layer = layers.layer_digest(read.slot);
    explained.image_ref = image;
    explained.read = std::move(read);
    if (const auto index = layers.index(explained.read.slot); index.ok()) {
      used[explained.read.slot] = *index;
      add_fetch(explained, **index, fetched);
    }
    reads.push_back(std::move(explained));
  }
  for (const auto& [slot, index] : used) add_paths(*index, slot, reads);
  return reads;
}

}  // namespace samara::snapshotter
