#include "test_layers.h"

#include <cstdio>
#include <cstdlib>

#include "base/file.h"
#include "base/text.h"
#include "cache_index/hasher.h"

namespace samara::snapshotter {
namespace {

template <typename T>
T must(absl::StatusOr<T> value) {
  if (value.ok()) return *std::move(value);
  std::fprintf(stderr, "test layer: %s\n", value.status().ToString().c_str());
  std::abort();
}

}  // namespace

TestLayer make_test_layer(const std::vector<cache_index::SampleEntry>& entries) {
  const TempDir directory = must(TempDir::create("test-layer"));
  const cache_index::SampleLayer sample = must(cache_index::write_sample_layer(directory.path(), entries));
  TestLayer layer;
  layer.index = must(read_file(sample.index_path));
  layer.blob = must(read_file(sample.blob_path));
  layer.diff_id = sample.written.info.diff_id;
  layer.record.layer = cache_index::sha256(as_bytes("compressed" + sample.tar));
  layer.record.index = sample.written.index;
  layer.record.blob = sample.written.info.blob;
  layer.record.index_size = sample.written.index_size;
  layer.record.blob_size = sample.written.info.blob_size;
  layer.record.layer_size = sample.tar.size();
  return layer;
}

TestLayer make_file_layer(const std::string& path, const std::string& content) {
  return make_test_layer({{.path = "", .mode = S_IFDIR | 0755}, {.path = path, .content = content}});
}

std::vector<std::string> chain_ids(const std::vector<TestLayer>& layers) {
  std::vector<std::string> ids;
  std::optional<Digest> parent;
  for (const TestLayer& layer : layers) {
    parent = chain_id(parent, layer.diff_id);
    ids.push_back(parent->to_string());
  }
  return ids;
}

Labels cri_labels(const std::string& chain_id, const TestLayer& layer, const std::string& image,
                  const std::vector<TestLayer>& following) {
  std::string layers = layer.record.layer.to_string();
  for (const TestLayer& next : following) str_append(&layers, ",", next.record.layer.to_string());
  return {{"containerd.io/snapshot.ref", chain_id},
          {"containerd.io/snapshot/cri.image-ref", image},
          {"containerd.io/snapshot/cri.layer-digest", layer.record.layer.to_string()},
          {"containerd.io/snapshot/cri.image-layers", layers}};
}

}  // namespace samara::snapshotter
