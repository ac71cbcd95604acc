#include "snapshotter_stack.h"

#include <cstdio>
#include <cstdlib>

#include "base/text.h"

namespace samara::snapshotter {
namespace {

void must(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "snapshotter stack: %s\n", status.ToString().c_str());
  std::abort();
}

template <typename T>
T must(absl::StatusOr<T> value) {
  must(value.status());
  return *std::move(value);
}

}  // namespace

SnapshotterStack::SnapshotterStack() : directory_(must(TempDir::create("snapshotter"))) { start(); }

SnapshotterStack::~SnapshotterStack() { stop(); }

void SnapshotterStack::start() {
  cache_ = must(cache_index::Cache::open({directory_.path()}, Metadata::tables()));
  site_ = std::make_unique<FakeLayerSite>(clock_, *cache_);
  mount_ = std::make_unique<FakeLazyMount>(directory_.path() + "/l");
  metadata_ = must(Metadata::open(cache_->store(), clock_));
  directories_ = std::make_unique<SnapshotDirectories>(must(SnapshotDirectories::open(directory_.path() + "/s")));
  LayerFinder::Options options;
  options.wait.base = std::chrono::milliseconds(100);
  options.site_answer = std::chrono::milliseconds(100);
  options.wait.slice = std::chrono::milliseconds(50);
  finder_ = std::make_unique<LayerFinder>(*cache_, has_site_ ? site_.get() : nullptr, clock_, metrics_, options);
  layers_ = std::make_unique<LazyLayers>(*finder_, *mount_, *cache_, *metadata_, nullptr);
  snapshotter_ = must(Snapshotter::create({*metadata_, *directories_, *layers_, *finder_, metrics_, clock_}));
}

void SnapshotterStack::stop() {
  finder_->stop();
  snapshotter_.reset();
  layers_.reset();
  finder_.reset();
  directories_.reset();
  metadata_.reset();
  mount_.reset();
  site_.reset();
  cache_.reset();
}

void SnapshotterStack::restart() {
  stop();
  start();
}

std::string SnapshotterStack::prepare_lazily(const std::vector<TestLayer>& layers, const std::string& image) {
  const std::vector<std::string> chain = chain_ids(layers);
  std::string parent;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    site_->has(layers[i]);
    const auto mounts = snapshotter_->prepare(str_cat("extract-", i, " ", chain[i]), parent,
                                              cri_labels(chain[i], layers[i], image));
    if (!absl::IsAlreadyExists(mounts.status())) must(absl::InternalError(str_cat("layer ", i, " isn't lazy")));
    parent = find(chain[i], parent);
  }
  return parent;
}

std::string SnapshotterStack::find(const std::string& target, const std::string& parent) {
  const std::string filter =
      str_cat("labels.\"containerd.io/snapshot.ref\"==", target, ",parent==\"", parent, "\"");
  for (const Info& info : must(snapshotter_->list({filter}))) {
    if (info.kind == Kind::kCommitted) return info.name;
  }
  return "";
}

void SnapshotterStack::commit_ordinary(const std::string& name, const std::string& parent, const std::string& file) {
  const std::string key = "ordinary " + name;
  const std::vector<Mount> mounts = must(snapshotter_->prepare(key, parent, {}));
  std::string upper = mounts.back().source;
  for (const std::string& option : mounts.back().options) {
    if (option.starts_with("upperdir=")) upper = option.substr(9);
  }
  must(write_file_atomic(upper + "/" + file, "content of " + file));
  must(snapshotter_->commit(name, key, {}));
}

}  // namespace samara::snapshotter
