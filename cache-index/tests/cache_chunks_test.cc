#include <gmock/gmock.h>

#include <filesystem>

#include "cache_fixture.h"

namespace samara::cache_index {
namespace {

class CacheChunks : public CacheTest {
 protected:
  void put(const Digest& blob, const MadeChunk& made) {
    const absl::Status status = cache_->put_frame(blob, made.chunk, as_bytes(made.frame));
    ASSERT_TRUE(status.ok()) << status;
  }

  const Digest blob_ = digest_of("a blob"), other_blob_ = digest_of("another blob");
  const MadeChunk first_ = make_chunk(std::string(5000, 'x'));
  const MadeChunk second_ = make_chunk("what a file holds", 1u << 20);
};

TEST_F(CacheChunks, GiveBackTheirBytesAlsoAfterReopening) {
  put(blob_, second_);
  open();

  const auto read = cache_->read_chunk(second_.chunk);

  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, second_.bytes);
  EXPECT_TRUE(cache_->has_chunk(second_.chunk.digest));
  EXPECT_FALSE(cache_->has_chunk(first_.chunk.digest));
  EXPECT_TRUE(absl::IsNotFound(cache_->read_chunk(first_.chunk).status()));
}

TEST_F(CacheChunks, LieInSparseFiles) {
  const std::uint64_t before = cache_->usage()->disk_bytes;

  put(blob_, second_);

  EXPECT_EQ(std::filesystem::file_size(cache_->object_path(blob_)), second_.chunk.blob_range().end);
  EXPECT_LT(cache_->usage()->disk_bytes - before, second_.chunk.blob_offset);
}

TEST_F(CacheChunks, OfTwoBlobsAreStoredOnceAndReadThroughEither) {
  put(blob_, first_);
  MadeChunk same = first_;
  same.chunk.blob_offset = 77;

  put(other_blob_, same);

  EXPECT_FALSE(std::filesystem::exists(cache_->object_path(other_blob_)));
  EXPECT_EQ(cache_->read_chunk(first_.chunk).value(), first_.bytes);
  EXPECT_EQ(cache_->read_chunk(same.chunk).value(), first_.bytes);
}

TEST_F(CacheChunks, AreDroppedWhenAlteredOnDiskAndMendedByStoringThemAgain) {
  put(blob_, first_);
  put(blob_, second_);
  alter(cache_->object_path(blob_), second_.chunk.blob_offset + second_.chunk.blob_size / 2);

  const auto altered = cache_->read_chunk(second_.chunk);
  const auto dropped = cache_->read_chunk(second_.chunk);

  EXPECT_TRUE(absl::IsDataLoss(altered.status())) << altered.status();
  EXPECT_TRUE(absl::IsNotFound(dropped.status())) << dropped.status();
  EXPECT_FALSE(cache_->has_chunk(second_.chunk.digest));
  EXPECT_EQ(cache_->read_chunk(first_.chunk).value(), first_.bytes);
  put(blob_, second_);
  EXPECT_EQ(cache_->read_chunk(second_.chunk).value(), second_.bytes);
}

TEST_F(CacheChunks, AreVerifiedAgainOnceTheyWereStoredAgain) {
  put(blob_, first_);
  ASSERT_TRUE(cache_->read_chunk(first_.chunk).ok());
  ASSERT_TRUE(cache_->remove_object(blob_).ok());
  put(blob_, first_);
  alter(cache_->object_path(blob_), first_.chunk.blob_offset + first_.chunk.blob_size / 2);

  EXPECT_TRUE(absl::IsDataLoss(cache_->read_chunk(first_.chunk).status()));
}

TEST_F(CacheChunks, AreVerifiedAgainWhenAnIndexThatLiesHasOthersWrittenOverThem) {
  const MadeChunk one = make_chunk(std::string(5000, 'a')), other = make_chunk(std::string(5000, 'b'));
  put(blob_, one);
  ASSERT_TRUE(cache_->read_chunk(one.chunk).ok());

  put(blob_, other);  // its frame unpacks to as many bytes

  EXPECT_TRUE(absl::IsDataLoss(cache_->read_chunk(one.chunk).status()));
  EXPECT_EQ(cache_->read_chunk(other.chunk).value(), other.bytes);
}

TEST_F(CacheChunks, AreNotFoundWhenTheirFileIsCut) {
  put(blob_, first_);
  put(blob_, second_);
  std::filesystem::resize_file(cache_->object_path(blob_), second_.chunk.blob_offset + 3);

  const auto cut = cache_->read_chunk(second_.chunk);

  EXPECT_TRUE(absl::IsNotFound(cut.status())) << cut.status();
  EXPECT_FALSE(cache_->has_chunk(second_.chunk.digest));
  EXPECT_EQ(cache_->read_chunk(first_.chunk).value(), first_.bytes);
}

TEST_F(CacheChunks, AreForgottenAtOpenWhenTheirFileVanished) {
  put(blob_, first_);
  put(other_blob_, second_);
  std::filesystem::remove(cache_->object_path(blob_));

  open();

  EXPECT_FALSE(cache_->has_chunk(first_.chunk.digest));
  EXPECT_TRUE(absl::IsNotFound(cache_->read_chunk(first_.chunk).status()));
  EXPECT_EQ(cache_->read_chunk(second_.chunk).value(), second_.bytes);
}

TEST_F(CacheChunks, GoToANewFileWhenTheOldOneVanishedWhileOpen) {
  put(blob_, first_);
  std::filesystem::remove(cache_->object_path(blob_));

  put(blob_, second_);
  open();

  EXPECT_EQ(cache_->read_chunk(second_.chunk).value(), second_.bytes);
  EXPECT_FALSE(cache_->read_chunk(first_.chunk).ok());  // a hole in the new file
  EXPECT_FALSE(cache_->has_chunk(first_.chunk.digest));
}

TEST_F(CacheChunks, AreForgottenWithTheirBlob) {
  put(blob_, first_);
  put(other_blob_, second_);

  ASSERT_TRUE(cache_->remove_object(blob_).ok());

  EXPECT_FALSE(cache_->has_chunk(first_.chunk.digest));
  EXPECT_FALSE(std::filesystem::exists(cache_->object_path(blob_)));
  EXPECT_EQ(cache_->read_chunk(second_.chunk).value(), second_.bytes);
}

TEST_F(CacheChunks, RefuseAFrameOfAnotherSizeThanTheIndexSays) {
  const absl::Status status = cache_->put_frame(blob_, second_.chunk, as_bytes(second_.frame).subspan(1));

  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_FALSE(cache_->has_chunk(second_.chunk.digest));
}

TEST_F(CacheChunks, RefuseAnOffsetBeyondWhatAFileReaches) {
  MadeChunk far = second_;
  far.chunk.blob_offset = ~0ull - 10;

  const absl::Status status = cache_->put_frame(blob_, far.chunk, as_bytes(far.frame));

  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
}

TEST_F(CacheChunks, SurviveAnIndexThatGivesThemAWrongSize) {
  put(blob_, first_);
  Chunk lie = first_.chunk;
  lie.stream_size -= 1;

  const auto read = cache_->read_chunk(lie);

  EXPECT_TRUE(absl::IsDataLoss(read.status())) << read.status();
  EXPECT_EQ(cache_->read_chunk(first_.chunk).value(), first_.bytes);
}

TEST_F(CacheChunks, NeverWriteIntoAWholeObjectThatAnIndexCallsItsBlob) {
  const std::string manifest(4096, 'm');
  const Digest object = digest_of(manifest);
  ASSERT_TRUE(cache_->put_object(object, as_bytes(manifest)).ok());

  const absl::Status status = cache_->put_frame(object, first_.chunk, as_bytes(first_.frame));
  open();

  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_FALSE(cache_->has_chunk(first_.chunk.digest));
  EXPECT_TRUE(cache_->open_object(object).ok());
}

TEST_F(CacheChunks, OfABlobThatCameAsAWholeAreReadFromIt) {
  const Digest whole = digest_of(first_.frame);
  ASSERT_TRUE(cache_->put_object(whole, as_bytes(first_.frame)).ok());

  put(whole, first_);

  EXPECT_EQ(cache_->read_chunk(first_.chunk).value(), first_.bytes);
  EXPECT_TRUE(cache_->has_object(whole));
}

}  // namespace
}  // namespace samara::cache_index
