#pragma once

#include "cache_index/layer_writer.h"
#include "tar_reader.h"
#include "tree_builder.h"

namespace samara::convert {

/// What a TarReader finds goes to a tree and to a LayerWriter: the contents of regular files as data, all else as
/// framing.
class LayerSink : public TarSink {
 public:
  explicit LayerSink(cache_index::LayerWriter& writer) : writer_(writer) {}  ///< borrows the writer

  absl::Status framing(std::span<const std::uint8_t> bytes) override;
  absl::StatusOr<Data> entry(const TarEntry& entry) override;
  absl::Status data(std::span<const std::uint8_t> bytes) override;
  absl::Status hole(std::uint64_t size) override;

  cache_index::LayerTree take_tree() { return tree_.take(); }

 private:
  cache_index::LayerWriter& writer_;
  TreeBuilder tree_;
};

}  // namespace samara::convert
