#include "snapshotter/metadata.h"

#include <algorithm>
#include <charconv>

#include "base/status.h"
#include "base/text.h"
#include "metadata_rows.h"
#include "snapshotter/labels.h"

namespace samara::snapshotter {
namespace {

using cache_index::Store;

constexpr std::string_view kNextId = "next_id";
constexpr std::string_view kNextSlot = "next_slot";
constexpr std::string_view kLabelPath = "labels.";

absl::Status not_found(std::string_view name) {
  return absl::NotFoundError(str_cat("snapshot ", name, " doesn't exist"));
}
absl::Status already_exists(std::string_view name) {
  return absl::AlreadyExistsError(str_cat("snapshot ", name, " exists already"));
}

Store::Change put(std::string_view table, std::string key, std::string value) {
  return {std::string(table), std::move(key), std::move(value)};
}
Store::Change erase(std::string_view table, std::string key) {
  return {std::string(table), std::move(key), std::nullopt};
}
Store::Change put_snapshot(const Snapshot& snapshot) {
  return put(kSnapshotsTable, snapshot.info.name, encode_snapshot(snapshot));
}

absl::StatusOr<std::uint64_t> read_counter(const Store& store, std::string_view key) {
  const absl::StatusOr<std::string> row = store.get(kCountersTable, key);
  if (absl::IsNotFound(row.status())) return 1;
  SAMARA_RETURN_IF_ERROR(row.status());
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(row->data(), row->data() + row->size(), value);
  if (error != std::errc() || end != row->data() + row->size()) {
    return absl::DataLossError(str_cat("the row of the counter ", key, " can't be read"));
  }
  return value;
}

void apply_paths(Labels& labels, const Labels& wanted, const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    if (path == "labels") {
      labels = wanted;
      continue;
    }
    const std::string key = path.substr(kLabelPath.size());
    const auto value = wanted.find(key);
    if (value == wanted.end()) {
      labels.erase(key);
    } else {
      labels[key] = value->second;
    }
  }
}

}  // namespace

std::vector<std::string> Metadata::tables() {
  return {std::string(kSnapshotsTable), std::string(kLazyLayersTable), std::string(kCountersTable)};
}

absl::StatusOr<std::unique_ptr<Metadata>> Metadata::open(Store& store, Clock& clock) {
  std::unique_ptr<Metadata> metadata(new Metadata(store, clock));
  SAMARA_RETURN_IF_ERROR(metadata->load());
  return metadata;
}

absl::Status Metadata::load() {
  const std::lock_guard lock(mutex_);
  absl::Status wrong;
  SAMARA_RETURN_IF_ERROR(store_.scan(kLazyLayersTable, "", [&](std::string_view key, std::string_view row) {
    absl::StatusOr<LazyLayer> layer = decode_lazy_layer(key, row);
    wrong = layer.status();
    if (layer.ok()) lazy_layers_[layer->slot] = *std::move(layer);
    return wrong.ok();
  }));
  SAMARA_RETURN_IF_ERROR(wrong);
  SAMARA_RETURN_IF_ERROR(store_.scan(kSnapshotsTable, "", [&](std::string_view key, std::string_view row) {
    absl::StatusOr<Snapshot> snapshot = decode_snapshot(key, row);
    wrong = snapshot.status();
    if (snapshot.ok()) insert_locked(*std::move(snapshot));
    return wrong.ok();
  }));
  SAMARA_RETURN_IF_ERROR(wrong);
  for (const auto& [name, entry] : entries_) {
    const auto parent = entries_.find(entry.snapshot.info.parent);
    if (parent != entries_.end()) ++parent->second.children;
  }
  return load_counters();
}

absl::Status Metadata::load_counters() {
  SAMARA_ASSIGN_OR_RETURN(const std::uint64_t next_id, read_counter(store_, kNextId));
  SAMARA_ASSIGN_OR_RETURN(const std::uint64_t next_slot, read_counter(store_, kNextSlot));
  next_id_ = std::max(next_id, ids_.empty() ? 1 : ids_.rbegin()->first + 1);
  next_slot_ = static_cast<std::uint32_t>(next_slot);
  if (!lazy_layers_.empty()) next_slot_ = std::max(next_slot_, lazy_layers_.rbegin()->first + 1);
  return absl::OkStatus();
}

absl::StatusOr<Snapshot> Metadata::stat(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(name);
  if (found == entries_.end()) return not_found(name);
  return found->second.snapshot;
}

absl::StatusOr<std::vector<Snapshot>> Metadata::chain(std::string_view parent) const {
  const std::lock_guard lock(mutex_);
  std::vector<Snapshot> chain;
  while (!parent.empty()) {
    const auto found = entries_.find(parent);
    if (found == entries_.end()) return not_found(parent);
    const Snapshot& snapshot = found->second.snapshot;
    if (snapshot.info.kind != Kind::kCommitted) {
      return absl::InvalidArgumentError(str_cat("parent ", parent, " is not a committed snapshot"));
    }
    if (chain.size() > entries_.size()) {
      return absl::DataLossError(str_cat("the parents of ", parent, " run in a circle"));
    }
    chain.push_back(snapshot);
    parent = snapshot.info.parent;
  }
  return chain;
}

std::vector<Info> Metadata::list(const FilterSet& filters) const {
  const std::lock_guard lock(mutex_);
  std::vector<Info> infos;
  for (const auto& [name, entry] : entries_) {
    if (filters.matches(entry.snapshot.info)) infos.push_back(entry.snapshot.info);
  }
  return infos;
}

std::size_t Metadata::count() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

std::optional<Snapshot> Metadata::find_committed(std::string_view target, std::string_view parent) const {
  const std::lock_guard lock(mutex_);
  return find_committed_locked(target, parent);
}

std::optional<Snapshot> Metadata::find_committed_locked(std::string_view target, std::string_view parent) const {
  static const std::string kLabel(kSnapshotRefLabel);
  for (const auto& [name, entry] : entries_) {
    const Info& info = entry.snapshot.info;
    if (info.kind != Kind::kCommitted || info.parent != parent) continue;
    const auto label = info.labels.find(kLabel);
    if (label != info.labels.end() && label->second == target) return entry.snapshot;
  }
  return std::nullopt;
}

std::vector<LazyLayer> Metadata::lazy_layers() const {
  const std::lock_guard lock(mutex_);
  std::vector<LazyLayer> layers;
  for (const auto& [slot, layer] : lazy_layers_) layers.push_back(layer);
  return layers;
}

std::map<std::uint32_t, std::size_t> Metadata::slot_users() const {
  const std::lock_guard lock(mutex_);
  return slot_users_;
}

bool Metadata::has_id(std::uint64_t id) const {
  const std::lock_guard lock(mutex_);
  return ids_.contains(id);
}

std::uint64_t Metadata::reserve_id() {
  const std::lock_guard lock(mutex_);
  return next_id_++;
}

std::uint32_t Metadata::reserve_slot() {
  const std::lock_guard lock(mutex_);
  return next_slot_++;
}

void Metadata::skip_ids(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  next_id_ = std::max(next_id_, id);
}

absl::Status Metadata::check_new(std::string_view key, std::string_view parent) const {
  const std::lock_guard lock(mutex_);
  return check_new_locked(key, parent);
}

absl::Status Metadata::check_new_locked(std::string_view key, std::string_view parent) const {
  if (key.empty()) return absl::InvalidArgumentError("a snapshot needs a key");
  if (!parent.empty()) {
    const auto found = entries_.find(parent);
    if (found == entries_.end()) return absl::NotFoundError(str_cat("parent ", parent, " doesn't exist"));
    if (found->second.snapshot.info.kind != Kind::kCommitted) {
      return absl::InvalidArgumentError(str_cat("parent ", parent, " is not a committed snapshot"));
    }
  }
  return entries_.contains(key) ? already_exists(key) : absl::OkStatus();
}

absl::StatusOr<Snapshot> Metadata::create(Kind kind, const std::string& key, const std::string& parent, Labels labels,
                                          std::uint64_t id) {
  const std::lock_guard writing(writing_);
  const std::int64_t now = now_ns();
  Snapshot snapshot{{key, parent, kind, now, now, std::move(labels)}, id, std::nullopt};
  Changes changes;
  {
    const std::lock_guard lock(mutex_);
    SAMARA_RETURN_IF_ERROR(check_new_locked(key, parent));
    changes.push_back(put_snapshot(snapshot));
    add_counters(changes);
  }
  SAMARA_RETURN_IF_ERROR(write(changes));
  const std::lock_guard lock(mutex_);
  insert_locked(snapshot);
  if (!parent.empty()) ++entries_.find(parent)->second.children;
  return snapshot;
}

absl::StatusOr<Snapshot> Metadata::create_lazy(const std::string& parent, Labels labels, const LazyLayer& layer) {
  const std::lock_guard writing(writing_);
  const std::int64_t now = now_ns();
  const std::string target = labels[std::string(kSnapshotRefLabel)];
  const std::uint64_t id = reserve_id();
  Snapshot snapshot{{str_cat("lazy:", id, ":", target), parent, Kind::kCommitted, now, now, std::move(labels)}, id,
                    layer.slot};
  Changes changes;
  {
    const std::lock_guard lock(mutex_);
    SAMARA_RETURN_IF_ERROR(check_new_locked(snapshot.info.name, parent));
    if (find_committed_locked(target, parent)) return already_exists(target);
    changes = {put_snapshot(snapshot), put(kLazyLayersTable, slot_key(layer.slot), encode_lazy_layer(layer))};
    add_counters(changes);
  }
  SAMARA_RETURN_IF_ERROR(write(changes));
  const std::lock_guard lock(mutex_);
  insert_locked(snapshot);
  if (!parent.empty()) ++entries_.find(parent)->second.children;
  lazy_layers_[layer.slot] = layer;
  return snapshot;
}

absl::Status Metadata::commit(const std::string& name, const std::string& key, Labels labels) {
  const std::lock_guard writing(writing_);
  if (name.empty()) return absl::InvalidArgumentError("a committed snapshot needs a name");
  Snapshot committed;
  {
    const std::lock_guard lock(mutex_);
    if (entries_.contains(name)) return already_exists(name);
    const auto found = entries_.find(key);
    if (found == entries_.end()) return not_found(key);
    committed = found->second.snapshot;
    if (committed.info.kind != Kind::kActive) {
      return absl::FailedPreconditionError(str_cat("snapshot ", key, " is not active"));
    }
  }
  committed.info.name = name;
  committed.info.kind = Kind::kCommitted;
  committed.info.created_ns = committed.info.updated_ns = now_ns();
  committed.info.labels = std::move(labels);
  SAMARA_RETURN_IF_ERROR(write({erase(kSnapshotsTable, key), put_snapshot(committed)}));
  const std::lock_guard lock(mutex_);
  entries_.erase(entries_.find(key));
  insert_locked(std::move(committed));
  return absl::OkStatus();
}

absl::StatusOr<Info> Metadata::update(const std::string& name, const Labels& labels,
                                      const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    const bool one_label = path.starts_with(kLabelPath) && path.size() > kLabelPath.size();
    if (path != "labels" && !one_label) {
      return absl::InvalidArgumentError(str_cat("field ", path, " of snapshot ", name, " can't be changed"));
    }
  }
  const std::lock_guard writing(writing_);
  SAMARA_ASSIGN_OR_RETURN(Snapshot snapshot, stat(name));
  if (paths.empty()) {
    snapshot.info.labels = labels;
  } else {
    apply_paths(snapshot.info.labels, labels, paths);
  }
  snapshot.info.updated_ns = std::max(now_ns(), snapshot.info.updated_ns + 1);
  SAMARA_RETURN_IF_ERROR(write({put_snapshot(snapshot)}));
  const std::lock_guard lock(mutex_);
  entries_.find(name)->second.snapshot = snapshot;
  return snapshot.info;
}

absl::StatusOr<Snapshot> Metadata::remove(const std::string& name) {
  const std::lock_guard writing(writing_);
  Changes changes{erase(kSnapshotsTable, name)};
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(name);
    if (found == entries_.end()) return not_found(name);
    if (found->second.children > 0) {
      return absl::FailedPreconditionError(str_cat("cannot remove snapshot ", name, ": it has children"));
    }
    const auto slot = found->second.snapshot.slot;
    if (slot && slot_users_[*slot] == 1) changes.push_back(erase(kLazyLayersTable, slot_key(*slot)));
  }
  SAMARA_RETURN_IF_ERROR(write(changes));
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(name);
  Snapshot removed = found->second.snapshot;
  erase_locked(found);
  return removed;
}

std::int64_t Metadata::now_ns() const {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(clock_.wall_now().time_since_epoch()).count();
}

void Metadata::add_counters(Changes& changes) const {
  changes.push_back(put(kCountersTable, std::string(kNextId), std::to_string(next_id_)));
  changes.push_back(put(kCountersTable, std::string(kNextSlot), std::to_string(next_slot_)));
}

// What the store can't do is no business of containerd's: none of its codes may be mistaken for an answer.
absl::Status Metadata::write(const Changes& changes) {
  const absl::Status status = store_.write(changes, Store::Sync::kYes);
  if (status.ok()) return status;
  return absl::InternalError(str_cat("snapshot rows can't be written: ", to_std(status.message())));
}

void Metadata::insert_locked(Snapshot snapshot) {
  ids_[snapshot.id] = snapshot.info.name;
  if (snapshot.slot) ++slot_users_[*snapshot.slot];
  std::string name = snapshot.info.name;
  entries_.insert_or_assign(std::move(name), Entry{std::move(snapshot), 0});
}

void Metadata::erase_locked(Entries::iterator entry) {
  const Snapshot& snapshot = entry->second.snapshot;
  const auto parent = entries_.find(snapshot.info.parent);
  if (parent != entries_.end()) --parent->second.children;
  ids_.erase(snapshot.id);
  if (snapshot.slot && --slot_users_[*snapshot.slot] == 0) {
    slot_users_.erase(*snapshot.slot);
    lazy_layers_.erase(*snapshot.slot);
  }
  entries_.erase(entry);
}

}  // namespace samara::snapshotter
