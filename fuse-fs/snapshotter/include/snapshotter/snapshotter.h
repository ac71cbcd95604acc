#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/thread_pool.h"
#include "snapshotter/lazy_layers.h"
#include "snapshotter/metadata.h"
#include "snapshotter/mounts.h"
#include "snapshotter/snapshot_directories.h"
#include "snapshotter/start_traces.h"

namespace samara::snapshotter {

/// containerd's snapshots: the remote-snapshot flow for layers that can be had lazily, ordinary overlayfs snapshots for
/// all the rest. One function an RPC; serve_snapshots() (server.h) puts them on a socket.
///
/// Errors: exactly the codes that containerd's clients act on; docs/containerd.md lists them. Whatever else goes wrong
/// inside is Internal.
/// Threads: any, many at once. A Prepare that waits for the site holds up nobody else.
class Snapshotter {
 public:
  struct Parts {
    Metadata& metadata;
    SnapshotDirectories& directories;
    LazyLayers& layers;
    LayerFinder& finder;
    Metrics& metrics;
    Clock& clock;
    StartTraces* traces = nullptr;  ///< null: starts teach nothing
  };
  /// Everything in `parts` is borrowed. Puts right what a crash left: layers are attached again, directories that no
  /// snapshot owns are removed (in the background).
  static absl::StatusOr<std::unique_ptr<Snapshotter>> create(const Parts& parts);
  ~Snapshotter();

  /// AlreadyExists: the layer that the labels name is there as a committed snapshot, lazily or from before; nothing has
  /// to be fetched or unpacked. Else the mounts of an ordinary active snapshot.
  absl::StatusOr<std::vector<Mount>> prepare(const std::string& key, const std::string& parent, const Labels& labels);
  absl::StatusOr<std::vector<Mount>> view(const std::string& key, const std::string& parent, const Labels& labels);
  absl::StatusOr<std::vector<Mount>> mounts(const std::string& key);
  absl::Status commit(const std::string& name, const std::string& key, const Labels& labels);
  absl::Status remove(const std::string& key);
  absl::StatusOr<Info> stat(const std::string& key) const;
  absl::StatusOr<Info> update(const std::string& name, const Labels& labels, const std::vector<std::string>& paths);
  absl::StatusOr<std::vector<Info>> list(const std::vector<std::string>& filters) const;
  /// An ordinary snapshot: disk blocks of its own files. A lazy one: bytes of it that are here, compressed.
  absl::StatusOr<DiskUsage> usage(const std::string& key);
  /// Removes what removed snapshots left on disk.
  absl::Status cleanup();

  std::size_t count() const { return parts_.metadata.count(); }

 private:
  explicit Snapshotter(const Parts& parts);
  absl::Status reconcile();
  /// `way` becomes how it was answered, for the metrics: "exists", "lazy", "ordinary"; else it stays.
  absl::StatusOr<std::vector<Mount>> prepare_some_way(const std::string& key, const std::string& parent,
                                                      const Labels& labels, const char*& way);
  void container_starts(const std::string& parent);
  StartTraces::Image image_of(const Digest& chain_id, const std::vector<Snapshot>& chain) const;
  absl::StatusOr<bool> prepare_lazy(const LayerRequest& request, const std::string& parent, const Labels& labels);
  absl::StatusOr<std::vector<Mount>> create_ordinary(Kind kind, const std::string& key, const std::string& parent,
                                                     const Labels& labels);
  absl::Status make_directories_for(const Snapshot& planned, const std::vector<Snapshot>& chain);
  absl::StatusOr<std::vector<Mount>> mounts_of(const Snapshot& snapshot, const std::vector<Snapshot>& chain);
  absl::StatusOr<SnapshotDirectories::Owner> root_owner(const std::vector<Snapshot>& chain) const;
  std::string files_of(const Snapshot& snapshot) const;
  std::vector<LowerLayer> lower_layers(const std::vector<Snapshot>& chain) const;
  absl::Status remove_leftovers();
  void discard(const Snapshot& snapshot);

  Parts parts_;
  bool index_off_;
  std::mutex mutex_;  // guards what follows
  std::set<std::uint64_t> preparing_;          // ids whose directories may exist before their rows
  std::map<std::uint64_t, DiskUsage> usages_;  // of committed ordinary snapshots, which don't change
  std::atomic<bool> stopping_{false};
  ThreadPool cleaner_;  // one thread, the only one that removes directories; last: its tasks use all of the above
};

}  // namespace samara::snapshotter
