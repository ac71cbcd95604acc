#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cache_index/cache.h"
#include "sample_layer.h"
#include "snapshotter/labels.h"

namespace samara::snapshotter {

/// A converted layer, as a site would have it.
struct TestLayer {
  cache_index::LayerRecord record;
  Digest diff_id;
  std::string index;  ///< the index file's bytes
  std::string blob;
};

/// Aborts the test program when the layer can't be made: a test has no use for half of one.
TestLayer make_test_layer(const std::vector<cache_index::SampleEntry>& entries);
/// A layer that names its root and holds one file `path` with `content`.
TestLayer make_file_layer(const std::string& path, const std::string& content);

/// The chainIDs of a stack of layers, bottom first.
std::vector<std::string> chain_ids(const std::vector<TestLayer>& layers);

/// The labels that CRI sends with the Prepare of a layer; `following`: the layers above it.
Labels cri_labels(const std::string& chain_id, const TestLayer& layer, const std::string& image,
                  const std::vector<TestLayer>& following = {});

}  // namespace samara::snapshotter
