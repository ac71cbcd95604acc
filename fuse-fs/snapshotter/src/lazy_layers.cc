#include "snapshotter/lazy_layers.h"

#include <algorithm>

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"

namespace samara::snapshotter {

using Presence = cache_index::Cache::Presence;

LazyLayers::LazyLayers(LayerFinder& finder, fuse_fs::LazyMount& mount, cache_index::Cache& cache, Metadata& metadata,
                       BackgroundFetch* background, NodeImages* images)
    : finder_(finder), mount_(mount), cache_(cache), metadata_(metadata), background_(background), images_(images) {}

void LazyLayers::restore() {
  const std::map<std::uint32_t, std::size_t> users = metadata_.slot_users();
  for (const LazyLayer& layer : metadata_.lazy_layers()) {
    const auto count = users.find(layer.slot);
    if (count == users.end()) continue;
    {
      const std::lock_guard lock(mutex_);
      entries_[layer.slot] = Entry{layer, nullptr, count->second, std::nullopt};
    }
    absl::Status status = absl::NotFoundError("its index isn't here");
    if (cache_.has_object(layer.index)) {
      const absl::StatusOr<peer::LayerIndex> index = finder_.open_index(layer.index, layer.index_size);
      const std::lock_guard attaching(attaching_);
      status = index.ok() ? attach(layer, *index) : index.status();
    }
    if (!status.ok()) {
      log::error("a layer can't be attached again",
                 {{"layer", layer.layer.to_string()}, {"slot", layer.slot}, {"error", status}});
    }
  }
}

absl::StatusOr<LazyLayer> LazyLayers::acquire(const LayerRequest& request, const std::optional<Digest>& parent,
                                              const std::vector<LowerLayer>& lower) {
  SAMARA_ASSIGN_OR_RETURN(const LayerFinder::Found found, finder_.find(request, parent));
  SAMARA_RETURN_IF_ERROR(check_implied_directories(found.index, lower));
  SAMARA_ASSIGN_OR_RETURN(LazyLayer layer, attach_found(found, request.image_ref));
  if (images_ != nullptr) images_->note_pulled(request);
  return layer;
}

absl::StatusOr<LazyLayer> LazyLayers::attach_found(const LayerFinder::Found& found, const std::string& image_ref) {
  const std::lock_guard attaching(attaching_);
  LazyLayer layer{0, found.record.layer, found.record.index, found.record.index_size, image_ref};
  bool is_attached = false;
  {
    const std::lock_guard lock(mutex_);
    const auto same = std::find_if(entries_.begin(), entries_.end(), [&](const auto& entry) {
      return entry.second.layer.index == layer.index;
    });
    if (same != entries_.end()) {
      layer = same->second.layer;
      is_attached = same->second.index != nullptr;
      ++same->second.users;
    }
  }
  if (is_attached) return layer;
  const bool is_new = layer.slot == 0;
  if (is_new) {
    layer.slot = metadata_.reserve_slot();
    const std::lock_guard lock(mutex_);
    entries_[layer.slot] = Entry{layer, nullptr, 1, std::nullopt};
  }
  const absl::Status status = attach(layer, found.index);
  if (status.ok()) return layer;
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(layer.slot);
  if (--entry->second.users == 0) entries_.erase(entry);
  return annotate(status, "attach");
}

// Under attaching_.
absl::Status LazyLayers::attach(const LazyLayer& layer, peer::LayerIndex index) {
  const absl::StatusOr<std::string> path = mount_.attach(layer.slot, index);
  SAMARA_RETURN_IF_ERROR(path.status());
  if (background_ != nullptr) background_->add(layer.slot, index);
  const std::lock_guard lock(mutex_);
  entries_[layer.slot].index = std::move(index);
  return absl::OkStatus();
}

void LazyLayers::release(std::uint32_t slot) {
  const std::lock_guard attaching(attaching_);
  {
    const std::lock_guard lock(mutex_);
    const auto entry = entries_.find(slot);
    if (entry == entries_.end() || --entry->second.users > 0) return;
    entries_.erase(entry);
  }
  if (background_ != nullptr) background_->remove(slot);
  const absl::Status status = mount_.detach(slot);
  // One that was never attached again after a restart isn't in the mount.
  if (!status.ok() && !absl::IsNotFound(status)) {
    log::warning("a layer can't be taken off the mount", {{"slot", slot}, {"error", status}});
  }
}

absl::Status LazyLayers::ensure(std::uint32_t slot) {
  LazyLayer layer;
  {
    const std::lock_guard lock(mutex_);
    const auto entry = entries_.find(slot);
    if (entry == entries_.end()) return absl::InternalError(str_cat("slot ", slot, " is no layer's"));
    if (entry->second.index) return absl::OkStatus();
    layer = entry->second.layer;
  }
  const absl::StatusOr<peer::LayerIndex> index = finder_.open_index(layer.index, layer.index_size);
  if (!index.ok()) {
    return absl::UnavailableError(
        str_cat("layer ", layer.layer.to_string(), " can't be attached: ", to_std(index.status().message())));
  }
  const std::lock_guard attaching(attaching_);
  {
    const std::lock_guard lock(mutex_);
    const auto entry = entries_.find(slot);
    if (entry == entries_.end() || entry->second.index) return absl::OkStatus();
  }
  return attach(layer, *index);
}

absl::StatusOr<peer::LayerIndex> LazyLayers::index(std::uint32_t slot) const {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(slot);
  if (entry == entries_.end() || !entry->second.index) {
    return absl::NotFoundError(str_cat("slot ", slot, " isn't attached"));
  }
  return entry->second.index;
}

cache_index::Cache::InUse LazyLayers::in_use() const {
  cache_index::Cache::InUse in_use;
  const std::lock_guard lock(mutex_);
  for (const auto& [slot, entry] : entries_) {
    in_use.objects.push_back(entry.layer.index);
    if (entry.index) in_use.layers.push_back(entry.index);
  }
  return in_use;
}

std::set<Digest> LazyLayers::layer_digests() const {
  std::set<Digest> digests;
  const std::lock_guard lock(mutex_);
  for (const auto& [slot, entry] : entries_) digests.insert(entry.layer.layer);
  return digests;
}

std::string LazyLayers::image_ref(std::uint32_t slot) const {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(slot);
  return entry == entries_.end() ? "" : entry->second.layer.image_ref;
}

Digest LazyLayers::layer_digest(std::uint32_t slot) const {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(slot);
  return entry == entries_.end() ? Digest() : entry->second.layer.layer;
}

// What is present is counted over every chunk of the layer, until all of them are.
absl::StatusOr<LazyLayers::State> LazyLayers::state(std::uint32_t slot) {
  Entry entry;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(slot);
    if (found == entries_.end()) return absl::NotFoundError(str_cat("slot ", slot, " is no layer's"));
    entry = found->second;
  }
  State state;
  state.layer = entry.layer;
  if (!entry.index) return state;
  state.attached = true;
  state.diff_id = entry.index->info().diff_id;
  state.inodes = entry.index->info().inode_count;
  if (entry.complete) {
    state.presence = *entry.complete;
    return state;
  }
  SAMARA_ASSIGN_OR_RETURN(state.presence, cache_.presence(*entry.index));
  if (state.presence.chunks < state.presence.chunks_total) return state;
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(slot);
  if (found != entries_.end()) found->second.complete = state.presence;
  return state;
}

std::vector<LazyLayers::State> LazyLayers::states() {
  std::vector<std::uint32_t> slots;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [slot, entry] : entries_) slots.push_back(slot);
  }
  std::vector<State> states;
  for (const std::uint32_t slot : slots) {
    // One that was removed meanwhile is left out.
    if (absl::StatusOr<State> state = this->state(slot); state.ok()) states.push_back(*std::move(state));
  }
  return states;
}

}  // namespace samara::snapshotter
