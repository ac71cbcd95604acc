#pragma once

#include "cache_index/cache.h"

namespace samara::peer {

/// A cache on a full disk: reads as the one behind it, stores no chunk.
class FullCache final : public cache_index::Cache {
 public:
  explicit FullCache(cache_index::Cache& cache) : cache_(cache) {}

  absl::Status put_frame(const Digest&, const cache_index::Chunk&, std::span<const std::uint8_t>) override {
    return absl::ResourceExhaustedError("no space left");
  }

  cache_index::Store& store() override { return cache_.store(); }
  bool has_object(const Digest& digest) const override { return cache_.has_object(digest); }
  absl::StatusOr<cache_index::ObjectFile> open_object(const Digest& digest) const override {
    return cache_.open_object(digest);
  }
  std::string object_path(const Digest& digest) const override { return cache_.object_path(digest); }
  absl::StatusOr<std::unique_ptr<cache_index::ObjectWriter>> create_object(const Digest& digest) override {
    return cache_.create_object(digest);
  }
  absl::Status put_object(const Digest& digest, std::span<const std::uint8_t> bytes) override {
    return cache_.put_object(digest, bytes);
  }
  absl::Status remove_object(const Digest& digest) override { return cache_.remove_object(digest); }
  absl::StatusOr<std::string> create_incoming_directory() override { return cache_.create_incoming_directory(); }
  absl::Status publish_layer(const std::string& directory, const cache_index::LayerRecord& record) override {
    return cache_.publish_layer(directory, record);
  }
  absl::StatusOr<cache_index::LayerRecord> layer(const Digest& layer) const override { return cache_.layer(layer); }
  absl::Status put_layer(const cache_index::LayerRecord& record) override { return cache_.put_layer(record); }
  absl::StatusOr<std::vector<cache_index::LayerRecord>> layers() const override { return cache_.layers(); }
  bool has_chunk(const Digest& chunk) const override { return cache_.has_chunk(chunk); }
  absl::StatusOr<std::string> read_chunk(const cache_index::Chunk& chunk) override { return cache_.read_chunk(chunk); }
  absl::StatusOr<std::string> read_frame(const cache_index::Chunk& chunk) override { return cache_.read_frame(chunk); }
  absl::StatusOr<Presence> presence(const cache_index::IndexReader& index) const override {
    return cache_.presence(index);
  }
  absl::StatusOr<Fd> open_partial(const Digest& blob) override { return cache_.open_partial(blob); }
  absl::Status adopt_frame(const Digest& blob, const cache_index::Chunk& chunk) override {
    return cache_.adopt_frame(blob, chunk);
  }
  absl::Status fill_in(const Digest& blob, const cache_index::Chunk& chunk) override {
    return cache_.fill_in(blob, chunk);
  }
  absl::Status complete_partial(const Digest& blob, std::uint64_t size) override {
    return cache_.complete_partial(blob, size);
  }
  absl::StatusOr<cache_index::LayerRecord> converted_layer(const Digest& layer) const override {
    return cache_.converted_layer(layer);
  }
  absl::Status adopt_layer(const cache_index::LayerRecord& record) override { return cache_.adopt_layer(record); }
  absl::StatusOr<Usage> usage() const override { return cache_.usage(); }
  absl::Status add_pin(const Pin& pin) override { return cache_.add_pin(pin); }
  absl::Status remove_pin(const std::string& name) override { return cache_.remove_pin(name); }
  absl::StatusOr<std::vector<Pin>> pins() const override { return cache_.pins(); }
  std::uint64_t pinned_bytes(const Pin& pin) const override { return cache_.pinned_bytes(pin); }
  void start_eviction(std::function<InUse()> in_use) override { cache_.start_eviction(std::move(in_use)); }
  void stop_eviction() override { cache_.stop_eviction(); }
  absl::StatusOr<std::uint64_t> evict_to(std::uint64_t bytes) override { return cache_.evict_to(bytes); }
  absl::StatusOr<std::uint64_t> remove(const Removal& removal, Doing doing) override { return cache_.remove(removal, doing); }
  std::optional<ObjectUse> object_use(const Digest& digest) const override { return cache_.object_use(digest); }
  absl::StatusOr<std::vector<std::optional<std::uint64_t>>> chunk_uses(const std::vector<Digest>& chunks) const override {
    return cache_.chunk_uses(chunks);
  }

 private:
  cache_index::Cache& cache_;
};

}  // namespace samara::peer
