#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/digest.h"
#include "cache_index/index_reader.h"

namespace samara::cli {

/// What sharing chunks saves over a set of images that are fetched one after another, as a node with an empty cache
/// would: what an image adds is what no image before it brought. Layers count by their blobs and indexes; what the tars
/// and the original layers have is told beside it.
///
/// Threads: one.
class DedupReport {
 public:
  struct Image {
    std::string name;
    std::size_t layers = 0;
    std::uint64_t tar_bytes = 0;       ///< of all its layers, as is the next
    std::uint64_t layer_bytes = 0;     ///< compressed, as a registry stores them; 0: not known
    std::uint64_t chunks = 0;          ///< positions in the chunk tables
    std::uint64_t alone_bytes = 0;     ///< blobs and indexes, each layer once: what the image weighs alone
    std::uint64_t added_layers = 0;    ///< layers that no image before had …
    std::uint64_t added_layer_bytes = 0;  ///< … and what a pull of them fetches without Samara
    std::uint64_t added_bytes = 0;     ///< frames that nothing before had, and the indexes of the added layers
  };

  void begin_image(std::string name);
  /// A layer of the image begun last; `layer` names it. `layer_bytes`: 0 if not known.
  /// Errors: DataLoss (damaged chunk table).
  absl::Status add_layer(const Digest& layer, std::uint64_t layer_bytes, const cache_index::IndexReader& index,
                         std::uint64_t index_size);

  const std::vector<Image>& images() const { return images_; }
  /// All images together; its name is empty.
  Image total() const;

 private:
  std::vector<Image> images_;
  std::set<Digest> layers_, layers_of_image_;
  std::set<Digest> chunks_;
};

}  // namespace samara::cli
