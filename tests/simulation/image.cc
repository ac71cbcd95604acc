#include "image.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "base/status.h"
#include "base/text.h"
#include "sample_layer.h"

namespace samara::simulation {
namespace {

/// Programs and libraries are read in stretches of a few chunks.
constexpr std::uint32_t kLongestStretch = 12;

/// Names of chunks and blobs: `kind` and `number` in bytes 8 to 15, eight that look random before them.
Digest name_of(std::uint32_t kind, std::uint32_t number) {
  std::array<std::uint8_t, 32> bytes{};
  std::uint64_t mixed = (std::uint64_t{kind} << 32 | number) + 0x9e3779b97f4a7c15u;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
  mixed ^= mixed >> 31;
  std::memcpy(bytes.data(), &mixed, sizeof mixed);
  std::memcpy(bytes.data() + 8, &number, sizeof number);
  std::memcpy(bytes.data() + 12, &kind, sizeof kind);
  return Digest::sha256(bytes);
}

constexpr std::uint32_t kChunkKind = 1, kBlobKind = 2;

}  // namespace

absl::StatusOr<Image> Image::make(const Shape& shape, std::uint64_t seed) {
  SAMARA_ASSIGN_OR_RETURN(TempDir directory, TempDir::create("simulation"));
  Image image(std::move(directory));
  for (std::size_t i = 0; i < shape.layer_mib.size(); ++i) {
    const std::string path = str_cat(image.directory_.path(), "/", i);
    std::error_code error;
    std::filesystem::create_directory(path, error);
    SAMARA_ASSIGN_OR_RETURN(cache_index::SampleLayer layer,
                            cache_index::write_sample_layer(path, {{.path = "layer", .content = str_cat(i)}}));
    image.add_layer(shape.layer_mib[i], std::move(layer.index));
  }
  image.make_trace(shape.trace_mib, seed);
  return image;
}

void Image::add_layer(std::uint32_t mib, peer::LayerIndex handle) {
  const std::uint32_t chunks = mib * ((1u << 20) / kChunkBytes);
  const auto number = static_cast<std::uint32_t>(layers_.size());
  layers_.push_back({number, std::move(handle), name_of(kBlobKind, number), this->chunks(), chunks});
  layer_of_.resize(layer_of_.size() + chunks, number);
}

void Image::make_trace(std::uint32_t mib, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const std::size_t wanted = std::min<std::size_t>(chunks(), mib * ((1u << 20) / kChunkBytes));
  std::vector<bool> taken(chunks());
  while (trace_.size() < wanted) {
    ChunkNumber chunk = static_cast<ChunkNumber>(random() % chunks());
    const ImageLayer& layer = layer_of(chunk);
    for (auto left = 1 + random() % kLongestStretch; left > 0 && chunk < layer.first + layer.chunks; --left, ++chunk) {
      if (taken[chunk] || trace_.size() == wanted) break;
      taken[chunk] = true;
      trace_.push_back(chunk);
    }
  }
}

const ImageLayer& Image::layer_of(const Digest& blob) const {
  return *std::find_if(layers_.begin(), layers_.end(), [&](const ImageLayer& layer) { return layer.blob == blob; });
}

const ImageLayer& Image::layer_of(const peer::LayerIndex& handle) const {
  return *std::find_if(layers_.begin(), layers_.end(), [&](const ImageLayer& layer) { return layer.handle == handle; });
}

cache_index::Chunk Image::chunk(ChunkNumber number) const {
  const std::uint64_t offset = std::uint64_t{number - layer_of(number).first} * kChunkBytes;
  return {.digest = name_of(kChunkKind, number), .stream_offset = offset, .stream_size = kChunkBytes,
          .blob_offset = offset, .blob_size = kChunkBytes};
}

ChunkNumber Image::number_of(const Digest& chunk) {
  ChunkNumber number = 0;
  std::memcpy(&number, chunk.bytes().data() + 8, sizeof number);
  return number;
}

}  // namespace samara::simulation
