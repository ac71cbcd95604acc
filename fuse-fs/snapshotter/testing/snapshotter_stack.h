#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "fake_clock.h"
#include "fake_layer_site.h"
#include "fake_lazy_mount.h"
#include "snapshotter/snapshotter.h"
#include "test_layers.h"

namespace samara::snapshotter {

/// A whole snapshotter over a real cache in a directory of its own, with a made-up site, mount and clock.
class SnapshotterStack {
 public:
  SnapshotterStack();
  ~SnapshotterStack();

  /// Stops everything and starts it again over the same directory, with a new mount. The site has forgotten everything.
  void restart();
  /// As if there were no site in the configuration; after the next restart().
  void forget_site() { has_site_ = false; }

  Snapshotter& operator*() { return *snapshotter_; }
  Snapshotter* operator->() { return snapshotter_.get(); }
  FakeLayerSite& site() { return *site_; }
  FakeLazyMount& mount() { return *mount_; }
  FakeClock& clock() { return clock_; }
  cache_index::Cache& cache() { return *cache_; }
  LazyLayers& layers() { return *layers_; }
  Metrics& metrics() { return metrics_; }
  const std::string& path() const { return directory_.path(); }

  /// Prepares the layers bottom first as containerd does, all lazily; returns the name of the topmost.
  std::string prepare_lazily(const std::vector<TestLayer>& layers, const std::string& image);
  /// The committed snapshot that containerd would find after Prepare answered AlreadyExists; empty when none.
  std::string find(const std::string& target, const std::string& parent);
  /// Prepares an ordinary layer, writes `<file>` into it, commits it as `name`.
  void commit_ordinary(const std::string& name, const std::string& parent, const std::string& file);

 private:
  void start();
  void stop();

  FakeClock clock_;
  Metrics metrics_;
  TempDir directory_;
  bool has_site_ = true;
  std::unique_ptr<cache_index::Cache> cache_;
  std::unique_ptr<FakeLayerSite> site_;
  std::unique_ptr<FakeLazyMount> mount_;
  std::unique_ptr<Metadata> metadata_;
  std::unique_ptr<SnapshotDirectories> directories_;
  std::unique_ptr<LayerFinder> finder_;
  std::unique_ptr<LazyLayers> layers_;
  std::unique_ptr<Snapshotter> snapshotter_;
};

}  // namespace samara::snapshotter
