#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "absl/status/statusor.h"
#include "base/file.h"
#include "peer/chunk_reader.h"

namespace samara::simulation {

/// A chunk of the image, counted through all layers.
using ChunkNumber = std::uint32_t;

/// Frames are all of one size, a quarter of a region.
inline constexpr std::uint32_t kChunkBytes = 256u << 10;

struct ImageLayer {
  std::size_t number = 0;
  peer::LayerIndex handle;  ///< of another, tiny layer: the queues only pass it on
  Digest blob;
  ChunkNumber first = 0;
  std::uint32_t chunks = 0;
};

/// What is started: layers of chunks, and which of those a start reads, in order.
class Image {
 public:
  struct Shape {
    std::vector<std::uint32_t> layer_mib = {400, 300, 200, 100, 24};
    std::uint32_t trace_mib = 60;
  };
  static absl::StatusOr<Image> make(const Shape& shape, std::uint64_t seed);

  const std::vector<ImageLayer>& layers() const { return layers_; }
  const std::vector<ChunkNumber>& trace() const { return trace_; }
  std::uint32_t chunks() const { return static_cast<std::uint32_t>(layer_of_.size()); }
  std::uint64_t bytes() const { return std::uint64_t{chunks()} * kChunkBytes; }

  const ImageLayer& layer_of(ChunkNumber chunk) const { return layers_[layer_of_[chunk]]; }
  const ImageLayer& layer_of(const Digest& blob) const;
  const ImageLayer& layer_of(const peer::LayerIndex& handle) const;
  cache_index::Chunk chunk(ChunkNumber number) const;
  static ChunkNumber number_of(const Digest& chunk);

 private:
  explicit Image(TempDir directory) : directory_(std::move(directory)) {}
  void add_layer(std::uint32_t mib, peer::LayerIndex handle);
  void make_trace(std::uint32_t mib, std::uint64_t seed);

  TempDir directory_;
  std::vector<ImageLayer> layers_;
  std::vector<std::size_t> layer_of_;  // by chunk
  std::vector<ChunkNumber> trace_;
};

}  // namespace samara::simulation
