#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cache_fixture.h"
#include "sample_layer.h"

namespace samara::cache_index {

/// A layer of files of which the second repeats the first, written into a directory under incoming/.
inline void write_incoming_layer(Cache& cache, std::string* directory, LayerRecord* record) {
  auto incoming = cache.create_incoming_directory();
  ASSERT_TRUE(incoming.ok()) << incoming.status();
  *directory = *incoming;
  const std::string content = sample_bytes(7, 3u << 20);
  auto layer = write_sample_layer(*directory, {{.path = "one", .content = content},
                                               {.path = "two", .content = content},
                                               {.path = "three", .content = sample_text(8, 300'000)}});
  ASSERT_TRUE(layer.ok()) << layer.status();
  const LayerInfo& info = layer->written.info;
  *record = {.layer = digest_of("the compressed layer"),
             .index = layer->written.index,
             .blob = info.blob,
             .index_size = layer->written.index_size,
             .blob_size = info.blob_size,
             .layer_size = 1234};
}

/// ... and published.
inline void publish_sample_layer(Cache& cache, LayerRecord* record) {
  std::string directory;
  ASSERT_NO_FATAL_FAILURE(write_incoming_layer(cache, &directory, record));
  const absl::Status status = cache.publish_layer(directory, *record);
  ASSERT_TRUE(status.ok()) << status;
}

/// A converted layer of these files, named by the digest of `name`.
inline LayerRecord publish_layer_of(Cache& cache, const std::string& name, const std::vector<SampleEntry>& files) {
  const std::string directory = *cache.create_incoming_directory();
  const auto layer = write_sample_layer(directory, files);
  EXPECT_TRUE(layer.ok()) << layer.status();
  const LayerRecord record{.layer = digest_of(name),
                           .index = layer->written.index,
                           .blob = layer->written.info.blob,
                           .index_size = layer->written.index_size,
                           .blob_size = layer->written.info.blob_size,
                           .layer_size = 1};
  EXPECT_TRUE(cache.publish_layer(directory, record).ok());
  return record;
}

}  // namespace samara::cache_index
