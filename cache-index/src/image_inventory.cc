#include "image_inventory.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <utility>

#include "base/status.h"

namespace samara::cache_index {
namespace {

constexpr std::uint32_t kChunksAtOnce = 4096;

/// A piece of an image that is here: a chunk, or a whole file.
struct Piece {
  std::uint64_t name = 0;  // the digest's first bytes: two pieces with the same are taken for one
  std::uint32_t image = 0;
  std::uint64_t bytes = 0;
};

class Inventory {
 public:
  Inventory(const Cache& cache, std::vector<ImageContents> images) : cache_(cache) {
    for (ImageContents& image : images) {
      states_.emplace_back();
      states_.back().image = std::move(image);
    }
  }

  absl::StatusOr<std::vector<ImageState>> take() {
    for (std::size_t i = 0; i < states_.size(); ++i) SAMARA_RETURN_IF_ERROR(look_at(static_cast<std::uint32_t>(i)));
    sum_up();
    SAMARA_RETURN_IF_ERROR(look_at_pins());
    for (ImageState& state : states_) name_sharers(state);
    return std::move(states_);
  }

 private:
  absl::Status look_at(std::uint32_t at) {
    ImageState& state = states_[at];
    state.complete = !state.image.layers.empty();
    const std::set<Digest> objects(state.image.objects.begin(), state.image.objects.end());
    for (const Digest& object : objects) {
      std::uint64_t bytes = 0;
      (void)look_at_object(object, at, bytes);
      state.bytes_total += bytes;
    }
    std::set<Digest> seen;  // a layer may stand in an image twice
    for (const Digest& layer : state.image.layers) {
      holders_[layer].insert(at);
      if (seen.insert(layer).second) SAMARA_RETURN_IF_ERROR(look_at_layer(layer, at));
    }
    return absl::OkStatus();
  }

  /// Adds to `bytes` what is here of it; false: it isn't here whole.
  bool look_at_object(const Digest& object, std::uint32_t at, std::uint64_t& bytes) {
    const auto use = cache_.object_use(object);
    if (!use || !use->complete) return false;
    pieces_.push_back({prefix(object), at, use->size});
    bytes += use->size;
    states_[at].last_use = std::max(states_[at].last_use, use->last_use);
    return true;
  }

  absl::Status look_at_layer(const Digest& digest, std::uint32_t at) {
    ImageState& state = states_[at];
    ImageState::Layer layer;
    layer.layer = digest;
    (void)look_at_object(digest, at, layer.original_bytes);
    state.bytes_total += layer.original_bytes;
    const absl::StatusOr<LayerRecord> record = cache_.layer(digest);
    std::unique_ptr<IndexReader> index;
    if (record.ok() && look_at_object(record->index, at, layer.bytes)) {
      auto opened = IndexReader::open(cache_.object_path(record->index));
      if (opened.ok()) index = *std::move(opened);
    }
    if (index == nullptr) {
      state.complete = false;
    } else {
      layer.bytes_total = record->index_size;
      SAMARA_RETURN_IF_ERROR(look_at_chunks(*index, at, layer));
      state.complete = state.complete && layer.bytes == layer.bytes_total;
    }
    state.bytes_total += layer.bytes_total;
    state.layers.push_back(std::move(layer));
    return absl::OkStatus();
  }

  absl::Status look_at_chunks(const IndexReader& index, std::uint32_t at, ImageState::Layer& layer) {
    const auto blob = cache_.object_use(index.info().blob);
    const bool whole = blob && blob->complete;
    if (whole) states_[at].last_use = std::max(states_[at].last_use, blob->last_use);
    std::set<std::uint64_t> places;  // a frame that serves several positions counts once
    for (std::uint32_t begin = 0; begin < index.info().chunk_count; begin += kChunksAtOnce) {
      const std::uint32_t end = begin + std::min(kChunksAtOnce, index.info().chunk_count - begin);
      std::vector<Digest> digests;
      std::vector<std::uint64_t> sizes;
      for (std::uint32_t i = begin; i < end; ++i) {
        const auto chunk = index.chunk(i);
        if (!chunk.ok() || !places.insert(chunk->blob_offset).second) continue;
        digests.push_back(chunk->digest);
        sizes.push_back(chunk->blob_size);
      }
      SAMARA_ASSIGN_OR_RETURN(const auto uses, cache_.chunk_uses(digests));
      for (std::size_t i = 0; i < digests.size(); ++i) {
        layer.bytes_total += sizes[i];
        if (!whole && !uses[i]) continue;
        layer.bytes += sizes[i];
        pieces_.push_back({prefix(digests[i]), at, sizes[i]});
        states_[at].last_use = std::max(states_[at].last_use, uses[i].value_or(0));
      }
    }
    return absl::OkStatus();
  }

  void sum_up() {
    const auto key = [](const Piece& piece) { return std::pair(piece.name, piece.image); };
    std::sort(pieces_.begin(), pieces_.end(), [&](const Piece& a, const Piece& b) { return key(a) < key(b); });
    pieces_.erase(std::unique(pieces_.begin(), pieces_.end(), [&](const Piece& a, const Piece& b) { return key(a) == key(b); }),
                  pieces_.end());
    for (auto begin = pieces_.begin(); begin != pieces_.end();) {
      const auto end = std::find_if(begin, pieces_.end(), [&](const Piece& piece) { return piece.name != begin->name; });
      for (auto piece = begin; piece != end; ++piece) {
        states_[piece->image].bytes += piece->bytes;
        if (end - begin > 1) states_[piece->image].bytes_shared += piece->bytes;
      }
      begin = end;
    }
    // What several layers of one image share counted for each of them above.
    for (ImageState& state : states_) state.bytes_total = state.complete ? state.bytes : std::max(state.bytes, state.bytes_total);
  }

  absl::Status look_at_pins() {
    SAMARA_ASSIGN_OR_RETURN(const std::vector<Cache::Pin> pins, cache_.pins());
    for (const Cache::Pin& pin : pins) {
      const std::set<Digest> members(pin.members.begin(), pin.members.end());
      for (ImageState& state : states_) {
        const auto& layers = state.image.layers;
        const bool all = !layers.empty() && std::all_of(layers.begin(), layers.end(), [&](const Digest& layer) { return members.contains(layer); });
        const bool named = !state.image.manifest.is_null() && members.contains(state.image.manifest);
        if (layers.empty() ? named : all) state.pins.push_back(pin);
      }
    }
    return absl::OkStatus();
  }

  void name_sharers(ImageState& state) const {
    for (ImageState::Layer& layer : state.layers) {
      for (const std::uint32_t other : holders_.at(layer.layer))
        if (&states_[other] != &state) layer.shared_with.push_back(states_[other].image.name);
    }
  }

  static std::uint64_t prefix(const Digest& digest) {
    std::uint64_t value = 0;
    std::memcpy(&value, digest.bytes().data(), sizeof value);
    return value;
  }

  const Cache& cache_;
  std::vector<ImageState> states_;
  std::vector<Piece> pieces_;
  std::map<Digest, std::set<std::uint32_t>> holders_;
};

}  // namespace

absl::StatusOr<std::vector<ImageState>> take_inventory(const Cache& cache, std::vector<ImageContents> images) {
  return Inventory(cache, std::move(images)).take();
}

}  // namespace samara::cache_index
