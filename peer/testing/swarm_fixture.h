#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/file.h"
#include "cache_index/cache.h"
#include "cache_index/frame.h"
#include "peer/swarm.h"
#include "sample_layer.h"

namespace samara::peer {

/// A layer of several pieces, made up once for all tests of a program.
struct SwarmLayer {
  TempDir dir = *TempDir::create("swarm-layer");
  LayerIndex index;
  std::string bytes;  ///< of the blob
  BlobPieces pieces;

  const Digest& blob() const { return index->info().blob; }
  std::string frame(const cache_index::Chunk& chunk) const { return bytes.substr(chunk.blob_offset, chunk.blob_size); }

  static SwarmLayer make(std::uint64_t seed = 1) {
    SwarmLayer layer;
    auto sample = cache_index::write_sample_layer(
        layer.dir.path(), {{.path = "a", .content = cache_index::sample_bytes(seed, 3u << 20)},
                           {.path = "b", .content = cache_index::sample_text(seed + 1, 1u << 20)}});
    EXPECT_TRUE(sample.ok()) << sample.status();
    layer.index = std::move(sample->index);
    layer.bytes = read_file(sample->blob_path).value();
    layer.pieces = pieces_of(layer.bytes);
    return layer;
  }
  static BlobPieces pieces_of(std::string_view bytes) {
    PieceHasher hasher(bytes.size());
    hasher.update(as_bytes(bytes));
    return hasher.finish().value();
  }
};

/// A machine with a cache and its part in the swarm, on a loopback port of its own.
class SwarmMachine {
 public:
  explicit SwarmMachine(Swarm::Options options = {}) : options_(std::move(options)) { start(); }
  ~SwarmMachine() { stop(); }

  void start() {
    auto opened = cache_index::Cache::open({.root = dir_.path() + "/cache"}, Swarm::tables());
    ASSERT_TRUE(opened.ok()) << opened.status();
    cache = *std::move(opened);
    Swarm::Options options = options_;
    options.listen = "127.0.0.1:0";
    options.on_complete = [this](const Digest& blob, const absl::Status& status) {
      const std::lock_guard lock(mutex_);
      completed_[blob] = status;
      changed_.notify_all();
    };
    auto created = Swarm::create(*cache, metrics, std::move(options));
    ASSERT_TRUE(created.ok()) << created.status();
    swarm = *std::move(created);
  }
  void stop() {
    swarm.reset();
    cache.reset();
  }

  void has_all_of(const SwarmLayer& layer) { ASSERT_TRUE(cache->put_object(layer.blob(), as_bytes(layer.bytes)).ok()); }
  void has_chunk_of(const SwarmLayer& layer, std::uint32_t position, const Digest& in_blob) {
    const cache_index::Chunk chunk = layer.index->chunk(position).value();
    ASSERT_TRUE(cache->put_frame(in_blob, chunk, as_bytes(layer.frame(chunk))).ok());
  }

  absl::Status join(const SwarmLayer& layer, std::vector<std::string> peers = {}) {
    return swarm->join({.digest = layer.blob(), .pieces = layer.pieces, .index = layer.index, .trackers = {}, .peers = std::move(peers)});
  }
  /// Blocks until the blob has become whole or has failed.
  absl::Status wait_for(const Digest& blob) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return completed_.contains(blob); });
    return completed_[blob];
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(swarm->port()); }
  double count(const std::string& name, const Metrics::Labels& labels = {}) { return metrics.counter(name, "", labels).value(); }

  Metrics metrics;
  std::unique_ptr<cache_index::Cache> cache;
  std::unique_ptr<Swarm> swarm;

 private:
  const Swarm::Options options_;
  TempDir dir_ = *TempDir::create("swarm");
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Digest, absl::Status> completed_;
};

}  // namespace samara::peer
