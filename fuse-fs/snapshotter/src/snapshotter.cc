#include "snapshotter/snapshotter.h"

#include <future>

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"

namespace samara::snapshotter {
namespace {

using cache_index::Inode;

// The inside's codes mustn't be taken for answers of the snapshots API.
absl::Status internal(const absl::Status& status) { return absl::InternalError(status.message()); }

std::optional<Digest> parent_chain_id(const std::vector<Snapshot>& chain) {
  if (chain.empty()) return std::nullopt;
  return chain_id_of(chain.front().info);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Snapshotter>> Snapshotter::create(const Parts& parts) {
  std::unique_ptr<Snapshotter> snapshotter(new Snapshotter(parts));
  SAMARA_RETURN_IF_ERROR(snapshotter->reconcile());
  return snapshotter;
}

Snapshotter::Snapshotter(const Parts& parts)
    : parts_(parts), index_off_(overlay_has_index()), cleaner_("snapshot-clean", 1) {}

Snapshotter::~Snapshotter() { stopping_ = true; }

absl::Status Snapshotter::reconcile() {
  SAMARA_ASSIGN_OR_RETURN(const std::vector<std::uint64_t> on_disk, parts_.directories.ids());
  for (const std::uint64_t id : on_disk) parts_.metadata.skip_ids(id + 1);
  parts_.layers.restore();
  cleaner_.run([this] {
    const absl::Status status = remove_leftovers();
    if (!status.ok()) log::warning("leftovers of snapshots can't be removed", {{"error", status}});
  });
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Mount>> Snapshotter::prepare(const std::string& key, const std::string& parent,
                                                        const Labels& labels) {
  const auto start = parts_.clock.now();
  const char* way = "failed";
  absl::StatusOr<std::vector<Mount>> answer = prepare_some_way(key, parent, labels, way);
  const std::chrono::duration<double> took = parts_.clock.now() - start;
  parts_.metrics
      .histogram("samara_snapshotter_prepare_seconds", "How long Prepare took, by how it was answered",
                 {0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30}, {{"way", way}})
      .observe(took.count());
  return answer;
}

absl::StatusOr<std::vector<Mount>> Snapshotter::prepare_some_way(const std::string& key, const std::string& parent,
                                                                 const Labels& labels, const char*& way) {
  SAMARA_RETURN_IF_ERROR(parts_.metadata.check_new(key, parent));
  const auto target = labels.find(std::string(kSnapshotRefLabel));
  if (target != labels.end()) {
    const absl::Status exists =
        absl::AlreadyExistsError(str_cat("snapshot ", target->second, " exists already: nothing to unpack"));
    if (parts_.metadata.find_committed(target->second, parent)) {
      way = "exists";
      return exists;
    }
    if (const auto request = parse_layer_request(labels)) {
      SAMARA_ASSIGN_OR_RETURN(const bool is_lazy, prepare_lazy(*request, parent, labels));
      if (is_lazy) {
        way = "lazy";
        return exists;
      }
    }
  }
  absl::StatusOr<std::vector<Mount>> mounts = create_ordinary(Kind::kActive, key, parent, labels);
  if (mounts.ok()) way = "ordinary";
  // Without that label nobody unpacks a layer: it is for a container.
  if (mounts.ok() && target == labels.end()) container_starts(parent);
  return mounts;
}

void Snapshotter::container_starts(const std::string& parent) {
  if (parts_.traces == nullptr || parent.empty()) return;
  const absl::StatusOr<std::vector<Snapshot>> chain = parts_.metadata.chain(parent);
  if (!chain.ok()) return;  // it was there a moment ago
  const std::optional<Digest> chain_id = parent_chain_id(*chain);
  if (!chain_id) return;
  const StartTraces::Image image = image_of(*chain_id, *chain);
  if (!image.layers.empty()) parts_.traces->container_starts(image);
}

/// The lazy ones of `chain` (nearest first).
StartTraces::Image Snapshotter::image_of(const Digest& chain_id, const std::vector<Snapshot>& chain) const {
  StartTraces::Image image{chain_id, "", {}};
  for (auto snapshot = chain.rbegin(); snapshot != chain.rend(); ++snapshot) {
    if (!snapshot->slot) continue;
    absl::StatusOr<peer::LayerIndex> index = parts_.layers.index(*snapshot->slot);
    if (!index.ok()) continue;
    image.layers.push_back({*std::move(index), parts_.layers.path(*snapshot->slot)});
    image.image_ref = parts_.layers.image_ref(*snapshot->slot);  // the topmost's: lower ones may have come with others
  }
  return image;
}

// True when the layer is committed now. False is a reason for an ordinary snapshot, logged here.
absl::StatusOr<bool> Snapshotter::prepare_lazy(const LayerRequest& request, const std::string& parent,
                                               const Labels& labels) {
  SAMARA_ASSIGN_OR_RETURN(const std::vector<Snapshot> chain, parts_.metadata.chain(parent));
  const std::optional<Digest> parent_id = parent_chain_id(chain);
  absl::StatusOr<LazyLayer> layer = absl::FailedPreconditionError("the chainID of its parent isn't known");
  if (chain.empty() || parent_id) layer = parts_.layers.acquire(request, parent_id, lower_layers(chain));
  if (!layer.ok()) {
    log::info("a layer is taken the ordinary way",
              {{"image", request.image_ref}, {"layer", request.layer.to_string()}, {"reason", layer.status()}});
    parts_.finder.note_fallback(request.image_ref);
    return false;
  }
  const absl::StatusOr<Snapshot> snapshot = parts_.metadata.create_lazy(parent, labels, *layer);
  if (snapshot.ok()) {
    log::info("a layer is lazy",
              {{"image", request.image_ref}, {"layer", request.layer.to_string()}, {"slot", layer->slot}});
    const bool topmost = request.following.size() <= 1;  // the list begins with the layer itself
    if (topmost && parts_.traces != nullptr) {
      std::vector<Snapshot> whole = chain;
      whole.insert(whole.begin(), *snapshot);
      parts_.traces->image_comes(image_of(request.chain_id, whole));
    }
    return true;
  }
  parts_.layers.release(layer->slot);
  // Somebody else prepared the same meanwhile: just as good.
  if (absl::IsAlreadyExists(snapshot.status())) return true;
  return snapshot.status();
}

absl::StatusOr<std::vector<Mount>> Snapshotter::view(const std::string& key, const std::string& parent,
                                                     const Labels& labels) {
  return create_ordinary(Kind::kView, key, parent, labels);
}

absl::StatusOr<std::vector<Mount>> Snapshotter::create_ordinary(Kind kind, const std::string& key,
                                                                const std::string& parent, const Labels& labels) {
  SAMARA_RETURN_IF_ERROR(parts_.metadata.check_new(key, parent));
  SAMARA_ASSIGN_OR_RETURN(const std::vector<Snapshot> chain, parts_.metadata.chain(parent));
  Snapshot planned;
  planned.info.kind = kind;
  planned.id = parts_.metadata.reserve_id();
  planned.info.labels = labels;
  SAMARA_ASSIGN_OR_RETURN(const std::vector<Mount> mounts, mounts_of(planned, chain));
  {
    const std::lock_guard lock(mutex_);
    preparing_.insert(planned.id);
  }
  absl::Status status = make_directories_for(planned, chain);
  if (status.ok()) status = parts_.metadata.create(kind, key, parent, labels, planned.id).status();
  {
    const std::lock_guard lock(mutex_);
    preparing_.erase(planned.id);
  }
  if (status.ok()) return mounts;
  discard(planned);
  return status;
}

// A view of parents has no files of its own.
absl::Status Snapshotter::make_directories_for(const Snapshot& planned, const std::vector<Snapshot>& chain) {
  if (planned.info.kind == Kind::kView && !chain.empty()) return absl::OkStatus();
  SAMARA_ASSIGN_OR_RETURN(SnapshotDirectories::Owner owner, root_owner(chain));
  SAMARA_ASSIGN_OR_RETURN(const std::optional<IdMapping> ids, parse_id_mapping(planned.info.labels));
  if (ids) {
    SAMARA_ASSIGN_OR_RETURN(owner.uid, id_on_host(ids->uids, owner.uid));
    SAMARA_ASSIGN_OR_RETURN(owner.gid, id_on_host(ids->gids, owner.gid));
  }
  return parts_.directories.create(planned.id, owner.uid, owner.gid);
}

// The root of a new layer belongs to whom it belonged below.
absl::StatusOr<SnapshotDirectories::Owner> Snapshotter::root_owner(const std::vector<Snapshot>& chain) const {
  for (const Snapshot& snapshot : chain) {
    if (!snapshot.slot) return parts_.directories.owner(snapshot.id);
    const absl::StatusOr<peer::LayerIndex> index = parts_.layers.index(*snapshot.slot);
    if (!index.ok()) return internal(index.status());
    const absl::StatusOr<Inode> root = (*index)->inode(cache_index::kRootInode);
    if (!root.ok()) return internal(root.status());
    if (!root->implied) return SnapshotDirectories::Owner{root->uid, root->gid};
  }
  return SnapshotDirectories::Owner{};
}

absl::StatusOr<std::vector<Mount>> Snapshotter::mounts(const std::string& key) {
  SAMARA_ASSIGN_OR_RETURN(const Snapshot snapshot, parts_.metadata.stat(key));
  if (snapshot.info.kind == Kind::kCommitted) {
    return absl::FailedPreconditionError(str_cat("snapshot ", key, " is committed: it can't be mounted itself"));
  }
  SAMARA_ASSIGN_OR_RETURN(const std::vector<Snapshot> chain, parts_.metadata.chain(snapshot.info.parent));
  return mounts_of(snapshot, chain);
}

absl::StatusOr<std::vector<Mount>> Snapshotter::mounts_of(const Snapshot& snapshot,
                                                          const std::vector<Snapshot>& chain) {
  MountPlan plan;
  plan.kind = snapshot.info.kind;
  plan.upper = parts_.directories.files(snapshot.id);
  plan.work = parts_.directories.work(snapshot.id);
  SAMARA_ASSIGN_OR_RETURN(plan.ids, parse_id_mapping(snapshot.info.labels));
  for (const Snapshot& parent : chain) {
    if (parent.slot) SAMARA_RETURN_IF_ERROR(parts_.layers.ensure(*parent.slot));
    plan.lower.push_back(files_of(parent));
  }
  return make_mounts(plan, index_off_);
}

std::string Snapshotter::files_of(const Snapshot& snapshot) const {
  return snapshot.slot ? parts_.layers.path(*snapshot.slot) : parts_.directories.files(snapshot.id);
}

std::vector<LowerLayer> Snapshotter::lower_layers(const std::vector<Snapshot>& chain) const {
  std::vector<LowerLayer> lower;
  for (const Snapshot& snapshot : chain) {
    if (!snapshot.slot) {
      lower.push_back(lower_layer(parts_.directories.files(snapshot.id)));
      continue;
    }
    absl::StatusOr<peer::LayerIndex> index = parts_.layers.index(*snapshot.slot);
    if (index.ok()) {
      lower.push_back(lower_layer(*std::move(index)));
    } else {
      lower.push_back([status = index.status()](const std::string&) -> absl::StatusOr<LowerEntry> { return status; });
    }
  }
  return lower;
}

absl::Status Snapshotter::commit(const std::string& name, const std::string& key, const Labels& labels) {
  return parts_.metadata.commit(name, key, labels);
}

absl::Status Snapshotter::remove(const std::string& key) {
  SAMARA_ASSIGN_OR_RETURN(const Snapshot removed, parts_.metadata.remove(key));
  if (removed.slot) {
    parts_.layers.release(*removed.slot);
    return absl::OkStatus();
  }
  discard(removed);
  return absl::OkStatus();
}

// Garbage collection waits for each Remove, so the files go later.
void Snapshotter::discard(const Snapshot& snapshot) {
  {
    const std::lock_guard lock(mutex_);
    usages_.erase(snapshot.id);
  }
  cleaner_.run([this, id = snapshot.id] {
    if (stopping_) return;  // the next start finds it
    const absl::Status status = parts_.directories.remove(id);
    if (!status.ok()) log::warning("a removed snapshot's files stay on disk", {{"id", id}, {"error", status}});
  });
}

absl::StatusOr<Info> Snapshotter::stat(const std::string& key) const {
  SAMARA_ASSIGN_OR_RETURN(const Snapshot snapshot, parts_.metadata.stat(key));
  return snapshot.info;
}

absl::StatusOr<Info> Snapshotter::update(const std::string& name, const Labels& labels,
                                         const std::vector<std::string>& paths) {
  return parts_.metadata.update(name, labels, paths);
}

absl::StatusOr<std::vector<Info>> Snapshotter::list(const std::vector<std::string>& filters) const {
  SAMARA_ASSIGN_OR_RETURN(const FilterSet set, FilterSet::parse(filters));
  return parts_.metadata.list(set);
}

absl::StatusOr<DiskUsage> Snapshotter::usage(const std::string& key) {
  SAMARA_ASSIGN_OR_RETURN(const Snapshot snapshot, parts_.metadata.stat(key));
  if (snapshot.slot) {
    const absl::StatusOr<LazyLayers::State> state = parts_.layers.state(*snapshot.slot);
    if (!state.ok()) return internal(state.status());
    return DiskUsage{state->presence.bytes, state->inodes};
  }
  if (snapshot.info.kind == Kind::kView) return DiskUsage{};
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = usages_.find(snapshot.id); known != usages_.end()) return known->second;
  }
  SAMARA_ASSIGN_OR_RETURN(const DiskUsage usage, parts_.directories.usage(snapshot.id));
  if (snapshot.info.kind != Kind::kCommitted) return usage;
  const std::lock_guard lock(mutex_);
  if (parts_.metadata.has_id(snapshot.id)) usages_[snapshot.id] = usage;
  return usage;
}

// On the cleaner's thread, so that nobody else removes the same directories meanwhile.
absl::Status Snapshotter::cleanup() {
  std::promise<absl::Status> removed;
  cleaner_.run([&] { removed.set_value(remove_leftovers()); });
  return removed.get_future().get();
}

absl::Status Snapshotter::remove_leftovers() {
  SAMARA_ASSIGN_OR_RETURN(const std::vector<std::uint64_t> ids, parts_.directories.ids());
  absl::Status first_error;
  for (const std::uint64_t id : ids) {
    if (stopping_) break;
    {
      // First this, then the rows: a snapshot that left preparing_ has its row.
      const std::lock_guard lock(mutex_);
      if (preparing_.contains(id)) continue;
    }
    if (parts_.metadata.has_id(id)) continue;
    const absl::Status status = parts_.directories.remove(id);
    if (first_error.ok()) first_error = status;
  }
  return first_error;
}

}  // namespace samara::snapshotter
