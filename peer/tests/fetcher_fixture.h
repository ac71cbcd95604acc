#pragma once

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/metrics.h"
#include "cache_index/cache.h"
#include "cache_index/frame.h"
#include "fake_clock.h"
#include "fake_range_source.h"
#include "peer/chunk_fetcher.h"
#include "sample_layer.h"

namespace samara::peer {

using Result = absl::StatusOr<ChunkBytes>;

/// A layer of about a dozen chunks, an empty cache, two sources that have the layer's blob, and a fetcher over them.
class FetcherTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto sample = cache_index::write_sample_layer(
        dir_.path(), {{.path = "a", .content = cache_index::sample_bytes(1, 2u << 20)},
                      {.path = "b", .content = cache_index::sample_text(2, 1u << 20)}});
    ASSERT_TRUE(sample.ok()) << sample.status();
    layer_ = std::move(sample->index);
    blob_bytes_ = read_file(sample->blob_path).value();
    ASSERT_GE(layer_->info().chunk_count, 8u);
    auto cache = cache_index::Cache::open({.root = dir_.path() + "/cache"});
    ASSERT_TRUE(cache.ok()) << cache.status();
    cache_ = *std::move(cache);
    near_.serves(blob(), blob_bytes_);
    far_.serves(blob(), blob_bytes_);
  }

  /// Two workers: one for anything, one kept for blocking reads.
  void start(cache_index::Cache& cache, std::vector<RangeSource*> sources, std::size_t workers = 2) {
    fetcher_ = ChunkFetcher::create(cache, std::move(sources), metrics_, clock_,
                                    {.workers = workers, .memory_bytes = memory_bytes_, .max_request_bytes = 4u << 20});
  }
  void start() { start(*cache_, {&near_}); }

  const Digest& blob() const { return layer_->info().blob; }
  std::uint32_t chunks() const { return layer_->info().chunk_count; }
  cache_index::Chunk chunk(std::uint32_t i) const { return layer_->chunk(i).value(); }
  std::string_view frame(std::uint32_t i) const {
    return std::string_view(blob_bytes_).substr(chunk(i).blob_offset, chunk(i).blob_size);
  }
  std::string expected(std::uint32_t i) const { return cache_index::open_frame(chunk(i), as_bytes(frame(i))).value(); }
  void put_in_cache(std::uint32_t i) { ASSERT_TRUE(cache_->put_frame(blob(), chunk(i), as_bytes(frame(i))).ok()); }

  std::future<Result> read(std::uint32_t i, FetchClass urgency = FetchClass::kBlocking) {
    auto promise = std::make_shared<std::promise<Result>>();
    std::future<Result> result = promise->get_future();
    fetcher_->read(layer_, i, urgency, [promise](Result bytes) { promise->set_value(std::move(bytes)); });
    return result;
  }

  /// The chunk's bytes, or the error as text.
  static std::string text(std::future<Result> result) {
    const Result bytes = result.get();
    return bytes.ok() ? **bytes : bytes.status().ToString();
  }

  /// Moves the clock in small steps until the read has ended.
  Result get_while_time_passes(std::future<Result> result, std::chrono::milliseconds step) {
    while (result.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready) clock_.advance(step);
    return result.get();
  }

  double count(const std::string& name, const Metrics::Labels& labels) { return metrics_.counter(name, "", labels).value(); }

  TempDir dir_ = *TempDir::create("fetcher");
  LayerIndex layer_;
  std::string blob_bytes_;
  std::unique_ptr<cache_index::Cache> cache_;
  Metrics metrics_;
  FakeClock clock_;
  FakeRangeSource near_{"near"}, far_{"far"};
  std::uint64_t memory_bytes_ = 64u << 20;
  std::unique_ptr<ChunkFetcher> fetcher_;
};

}  // namespace samara::peer
