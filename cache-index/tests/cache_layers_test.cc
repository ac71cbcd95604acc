#include <algorithm>
#include <filesystem>

#include "published_layer.h"

namespace samara::cache_index {
namespace {

class CacheLayers : public CacheTest {
 protected:
  void publish() { publish_sample_layer(*cache_, &record_); }

  std::unique_ptr<IndexReader> index() { return *IndexReader::open(cache_->object_path(record_.index)); }

  LayerRecord record_;
};

TEST_F(CacheLayers, ArePublishedWithTheirObjectsAndEveryChunk) {
  ASSERT_NO_FATAL_FAILURE(publish());
  open();

  const auto found = cache_->layer(record_.layer);

  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->index, record_.index);
  EXPECT_EQ(found->blob, record_.blob);
  EXPECT_EQ(found->blob_size, record_.blob_size);
  EXPECT_EQ(found->index_size, record_.index_size);
  EXPECT_EQ(found->layer_size, record_.layer_size);
  EXPECT_TRUE(cache_->has_object(record_.index));
  EXPECT_EQ(cache_->open_object(record_.blob)->size, record_.blob_size);
  const auto reader = index();
  for (std::uint32_t i = 0; i < reader->info().chunk_count; ++i) {
    EXPECT_TRUE(cache_->read_chunk(reader->chunk(i).value()).ok()) << i;
  }
}

TEST_F(CacheLayers, CountARepeatedChunkForEachPositionAndItsFrameOnce) {
  ASSERT_NO_FATAL_FAILURE(publish());
  const auto reader = index();

  const auto presence = cache_->presence(*reader);

  ASSERT_TRUE(presence.ok()) << presence.status();
  EXPECT_EQ(presence->chunks, reader->info().chunk_count);
  EXPECT_EQ(presence->chunks_total, reader->info().chunk_count);
  EXPECT_EQ(presence->bytes, record_.blob_size);
  EXPECT_EQ(presence->bytes_total, record_.blob_size);
}

TEST_F(CacheLayers, AreIncompleteOnceAChunkOfThemWasAltered) {
  ASSERT_NO_FATAL_FAILURE(publish());
  const auto reader = index();
  const Chunk last = reader->chunk(reader->info().chunk_count - 1).value();
  alter(cache_->object_path(record_.blob), last.blob_offset + last.blob_size / 2);

  EXPECT_TRUE(absl::IsDataLoss(cache_->read_chunk(last).status()));

  EXPECT_FALSE(cache_->has_object(record_.blob));
  EXPECT_EQ(cache_->presence(*reader)->chunks, reader->info().chunk_count - 1);
  EXPECT_EQ(cache_->presence(*reader)->bytes, record_.blob_size - last.blob_size);
}

TEST_F(CacheLayers, AreRefusedWhenTheRecordSaysOtherThanTheFiles) {
  std::string directory;
  ASSERT_NO_FATAL_FAILURE(write_incoming_layer(*cache_, &directory, &record_));
  LayerRecord other_blob = record_, other_size = record_;
  other_blob.blob = digest_of("something else");
  other_size.blob_size += 1;

  EXPECT_TRUE(absl::IsInvalidArgument(cache_->publish_layer(directory, other_blob)));
  EXPECT_TRUE(absl::IsDataLoss(cache_->publish_layer(directory, other_size)));

  EXPECT_TRUE(absl::IsNotFound(cache_->layer(record_.layer).status()));
  EXPECT_TRUE(cache_->publish_layer(directory, record_).ok());
}

TEST_F(CacheLayers, AreListedInTheOrderOfTheirDigests) {
  std::vector<Digest> digests = {digest_of("a"), digest_of("b"), digest_of("c")};
  std::sort(digests.begin(), digests.end());
  for (const Digest& digest : {digests[1], digests[2], digests[0]}) {
    ASSERT_TRUE(cache_->put_layer({.layer = digest, .index = digest_of("i"), .blob = digest_of("b")}).ok());
  }

  const auto layers = cache_->layers();

  ASSERT_TRUE(layers.ok()) << layers.status();
  std::vector<Digest> listed;
  for (const LayerRecord& layer : *layers) listed.push_back(layer.layer);
  EXPECT_EQ(listed, digests);
}

TEST_F(CacheLayers, RefuseDamagedRows) {
  ASSERT_NO_FATAL_FAILURE(publish());
  const auto reader = index();
  const Chunk chunk = reader->chunk(0).value();
  ASSERT_TRUE(cache_->store().write({{"layers", record_.layer.key(), "short"}, {"chunks", chunk.digest.key(), "?"}}).ok());

  EXPECT_TRUE(absl::IsDataLoss(cache_->layer(record_.layer).status()));
  EXPECT_TRUE(cache_->layers().value().empty());
  EXPECT_FALSE(cache_->has_chunk(chunk.digest));
  EXPECT_TRUE(absl::IsDataLoss(cache_->read_chunk(chunk).status()));
  EXPECT_TRUE(absl::IsNotFound(cache_->read_chunk(chunk).status()));
}

}  // namespace
}  // namespace samara::cache_index
