#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "cache_index/store.h"
#include "snapshotter/filter.h"
#include "snapshotter/snapshot.h"

namespace samara::snapshotter {

/// Which snapshots there are, who stands on whom, and which lazy layers they use. No file system, no FUSE.
///
/// Everything is held in memory and written through: a change is in the store, synced, before it shows. docs/state.md
/// is the layout of the rows.
/// Errors: those that containerd's clients expect, named at each function; Internal when the store fails.
/// Threads: any. Writers follow one another (like the store's own log); readers never wait for the disk.
class Metadata {
 public:
  /// The tables that the store must have.
  static std::vector<std::string> tables();

  /// `store` and `clock` are borrowed. Errors: DataLoss when a row can't be read.
  static absl::StatusOr<std::unique_ptr<Metadata>> open(cache_index::Store& store, Clock& clock);

  /// NotFound.
  absl::StatusOr<Snapshot> stat(std::string_view name) const;
  /// The ancestors of `parent`, itself first; empty for "". NotFound, InvalidArgument when `parent` isn't committed.
  absl::StatusOr<std::vector<Snapshot>> chain(std::string_view parent) const;
  std::vector<Info> list(const FilterSet& filters) const;
  std::size_t count() const;
  /// The committed snapshot whose label containerd.io/snapshot.ref is `target` and whose parent is exactly `parent`.
  std::optional<Snapshot> find_committed(std::string_view target, std::string_view parent) const;
  std::vector<LazyLayer> lazy_layers() const;
  /// How many snapshots use each slot.
  std::map<std::uint32_t, std::size_t> slot_users() const;
  bool has_id(std::uint64_t id) const;

  /// A number that no snapshot ever had and none will have again, also not after a restart once create() used it.
  std::uint64_t reserve_id();
  std::uint32_t reserve_slot();
  /// Numbers below `id` are taken by leftovers of a crash.
  void skip_ids(std::uint64_t id);

  /// May create() be called with these? The same errors.
  absl::Status check_new(std::string_view key, std::string_view parent) const;
  /// Adds a view or an active snapshot. NotFound (parent), InvalidArgument (parent isn't committed, empty key),
  /// AlreadyExists (key).
  absl::StatusOr<Snapshot> create(Kind kind, const std::string& key, const std::string& parent, Labels labels,
                                  std::uint64_t id);
  /// Adds a committed snapshot whose content is a lazy layer, under a name of our own. AlreadyExists when
  /// find_committed() would find one for `labels` and `parent` by now; NotFound, InvalidArgument as create().
  absl::StatusOr<Snapshot> create_lazy(const std::string& parent, Labels labels, const LazyLayer& layer);
  /// The active snapshot `key` becomes the committed one `name`, with `labels` in place of what it had. AlreadyExists
  /// (name), NotFound (key), FailedPrecondition (not active), InvalidArgument (empty name).
  absl::Status commit(const std::string& name, const std::string& key, Labels labels);
  /// Changes labels: "labels" all of them, "labels.KEY" that one (deleted when `labels` hasn't got it), no path all.
  /// NotFound; InvalidArgument for any other path.
  absl::StatusOr<Info> update(const std::string& name, const Labels& labels, const std::vector<std::string>& paths);
  /// NotFound; FailedPrecondition while it has children. Returns what was removed.
  absl::StatusOr<Snapshot> remove(const std::string& name);

 private:
  using Changes = std::vector<cache_index::Store::Change>;
  struct Entry {
    Snapshot snapshot;
    std::size_t children = 0;
  };
  using Entries = std::map<std::string, Entry, std::less<>>;

  Metadata(cache_index::Store& store, Clock& clock) : store_(store), clock_(clock) {}
  absl::Status load();
  absl::Status load_counters();
  absl::Status check_new_locked(std::string_view key, std::string_view parent) const;
  std::optional<Snapshot> find_committed_locked(std::string_view target, std::string_view parent) const;
  std::int64_t now_ns() const;
  void add_counters(Changes& changes) const;
  absl::Status write(const Changes& changes);
  void insert_locked(Snapshot snapshot);
  void erase_locked(Entries::iterator entry);

  cache_index::Store& store_;
  Clock& clock_;
  std::mutex writing_;         // held from checking a change until it shows; taken before mutex_
  mutable std::mutex mutex_;   // guards everything below; never held during I/O
  Entries entries_;
  std::map<std::uint32_t, LazyLayer> lazy_layers_;
  std::map<std::uint32_t, std::size_t> slot_users_;
  std::map<std::uint64_t, std::string> ids_;  // -> name
  std::uint64_t next_id_ = 1;
  std::uint32_t next_slot_ = 1;
};

}  // namespace samara::snapshotter
