#include "dedup_report.h"

#include "base/status.h"

namespace samara::cli {

void DedupReport::begin_image(std::string name) {
  images_.emplace_back();
  images_.back().name = std::move(name);
  layers_of_image_.clear();
}

absl::Status DedupReport::add_layer(const Digest& layer, std::uint64_t layer_bytes,
                                    const cache_index::IndexReader& index, std::uint64_t index_size) {
  if (!layers_of_image_.insert(layer).second) return absl::OkStatus();  // an image may name a layer twice
  Image& image = images_.back();
  const cache_index::LayerInfo& info = index.info();
  ++image.layers;
  image.tar_bytes += info.tar_size;
  image.layer_bytes += layer_bytes;
  image.chunks += info.chunk_count;
  image.alone_bytes += info.blob_size + index_size;
  if (!layers_.insert(layer).second) return absl::OkStatus();

  ++image.added_layers;
  image.added_layer_bytes += layer_bytes;
  image.added_bytes += index_size;
  for (std::uint32_t i = 0; i < info.chunk_count; ++i) {
    SAMARA_ASSIGN_OR_RETURN(const cache_index::Chunk chunk, index.chunk(i));
    if (chunks_.insert(chunk.digest).second) image.added_bytes += chunk.blob_size;
  }
  return absl::OkStatus();
}

DedupReport::Image DedupReport::total() const {
  Image total;
  for (const Image& image : images_) {
    total.layers += image.layers;
    total.tar_bytes += image.tar_bytes;
    total.layer_bytes += image.layer_bytes;
    total.chunks += image.chunks;
    total.alone_bytes += image.alone_bytes;
    total.added_layers += image.added_layers;
    total.added_layer_bytes += image.added_layer_bytes;
    total.added_bytes += image.added_bytes;
  }
  return total;
}

}  // namespace samara::cli
