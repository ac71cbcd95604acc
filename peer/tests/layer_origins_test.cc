#include "peer/layer_origins.h"

#include <gmock/gmock.h>

#include "base/file.h"
#include "cache_index/hasher.h"

namespace samara::peer {
namespace {

Digest digest_of(std::string_view text) { return cache_index::sha256(as_bytes(text)); }

cache_index::LayerRecord record_of(const std::string& name) {
  return {.layer = digest_of(name), .index = digest_of(name + " index"), .blob = digest_of(name + " blob"), .layer_size = 7};
}

struct LayerOriginsTest : ::testing::Test {
  LayerOriginsTest() : cache(*cache_index::Cache::open({.root = dir.path()}, LayerOrigins::tables())) {}
  TempDir dir = *TempDir::create("layer_origins");
  std::unique_ptr<cache_index::Cache> cache;
};

TEST_F(LayerOriginsTest, KnowsTheLayerOfAnIndexAndOfABlob) {
  LayerOrigins origins(*cache);
  const cache_index::LayerRecord record = record_of("layer");

  origins.note(record, "docker.io", "library/python");

  for (const Digest& object : {record.index, record.blob}) {
    const auto origin = origins.of(object);
    ASSERT_TRUE(origin);
    EXPECT_EQ(origin->layer, record.layer);
    EXPECT_EQ(origin->registry, "docker.io");
    EXPECT_EQ(origin->repository, "library/python");
    EXPECT_EQ(origin->size, 7u);
  }
  EXPECT_FALSE(origins.of(record.layer));
}

TEST_F(LayerOriginsTest, ForgetsLayersThatTheCacheForgot) {
  const cache_index::LayerRecord kept = record_of("kept"), gone = record_of("gone");
  LayerOrigins before(*cache);
  before.note(kept, "docker.io", "a");
  before.note(gone, "docker.io", "a");
  ASSERT_TRUE(cache->put_layer(kept).ok());

  const LayerOrigins after(*cache);

  EXPECT_TRUE(after.of(kept.blob));
  EXPECT_FALSE(after.of(gone.blob));
}

TEST_F(LayerOriginsTest, KeepNothingThatCouldNotBeAskedFor) {
  LayerOrigins origins(*cache);
  const cache_index::LayerRecord record = record_of("layer");

  origins.note(record, "", "a");
  origins.note(record, "docker.io", "");
  origins.note(record, "docker.io", "two words");
  ASSERT_TRUE(cache->store().write({{"layer_origins", record.index.key(), "damaged"}}).ok());

  EXPECT_FALSE(origins.of(record.blob));
  EXPECT_FALSE(origins.of(record.index));
}

}  // namespace
}  // namespace samara::peer
