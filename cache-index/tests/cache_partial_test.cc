#include <gmock/gmock.h>

#include <filesystem>

#include "cache_fixture.h"
#include "sample_layer.h"

namespace samara::cache_index {
namespace {

/// A blob of two frames, of which somebody else than the cache writes the bytes.
class CachePartialBlobs : public CacheTest {
 protected:
  void write(const MadeChunk& made) {
    const absl::StatusOr<Fd> file = cache_->open_partial(blob_);
    ASSERT_TRUE(file.ok()) << file.status();
    ASSERT_TRUE(pwrite_all(file->get(), as_bytes(made.frame), made.chunk.blob_offset).ok());
  }

  const MadeChunk first_ = make_chunk(std::string(5000, 'x'));
  const MadeChunk second_ = make_chunk("what a file holds", first_.frame.size());
  const std::string noise_ = sample_bytes(3, 100'000);
  const std::string bytes_ = first_.frame + second_.frame;
  const Digest blob_ = digest_of(bytes_), other_blob_ = digest_of("another blob");
};

TEST_F(CachePartialBlobs, GiveTheFramesThatWereAdoptedAlsoAfterReopening) {
  write(second_);

  const absl::Status adopted = cache_->adopt_frame(blob_, second_.chunk);
  open();

  ASSERT_TRUE(adopted.ok()) << adopted;
  EXPECT_EQ(cache_->read_chunk(second_.chunk).value(), second_.bytes);
}

TEST_F(CachePartialBlobs, KeepTheirBytesWhenReopenedBeforeAnythingWasAdopted) {
  write(second_);
  open();

  EXPECT_TRUE(cache_->adopt_frame(blob_, second_.chunk).ok());
}

TEST_F(CachePartialBlobs, RefuseFramesThatDontLieThere) {
  write(second_);

  EXPECT_EQ(cache_->adopt_frame(blob_, first_.chunk).code(), absl::StatusCode::kDataLoss);  // a hole

  EXPECT_FALSE(cache_->has_chunk(first_.chunk.digest));
  EXPECT_TRUE(absl::IsNotFound(cache_->adopt_frame(other_blob_, first_.chunk)));
}

TEST_F(CachePartialBlobs, TakeChunksFromWhateverBlobHasThem) {
  ASSERT_TRUE(cache_->put_frame(other_blob_, first_.chunk, as_bytes(first_.frame)).ok());
  write(second_);

  const absl::Status filled = cache_->fill_in(blob_, first_.chunk);

  ASSERT_TRUE(filled.ok()) << filled;
  EXPECT_EQ(read_file(cache_->object_path(blob_)).value(), bytes_);
  EXPECT_TRUE(absl::IsNotFound(cache_->fill_in(blob_, second_.chunk)));  // no row yet
}

TEST_F(CachePartialBlobs, AreVerifiedAtEachReadWhileOthersMayWriteThere) {
  const MadeChunk noise = make_chunk(noise_);  // stored as it is: a byte altered doesn't break its frame
  ASSERT_TRUE(cache_->put_frame(blob_, noise.chunk, as_bytes(noise.frame)).ok());
  ASSERT_TRUE(cache_->read_chunk(noise.chunk).ok());

  const absl::StatusOr<Fd> file = cache_->open_partial(blob_);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE(cache_->read_chunk(noise.chunk).ok());
  ASSERT_TRUE(pwrite_all(file->get(), as_bytes("of somebody who lies"), noise.chunk.blob_size / 2).ok());

  EXPECT_TRUE(absl::IsDataLoss(cache_->read_chunk(noise.chunk).status()));
}

TEST_F(CachePartialBlobs, GoWholeOrNotAtAllWhileOthersHaveThem) {
  const MadeChunk noise = make_chunk(noise_);
  ASSERT_TRUE(cache_->put_frame(blob_, noise.chunk, as_bytes(noise.frame)).ok());
  const absl::StatusOr<Fd> file = cache_->open_partial(blob_);
  ASSERT_TRUE(file.ok()) << file.status();

  ASSERT_TRUE(cache_->evict_to(0).ok());

  EXPECT_FALSE(cache_->has_chunk(noise.chunk.digest));
  EXPECT_FALSE(std::filesystem::exists(cache_->object_path(blob_)));
  EXPECT_TRUE(absl::IsNotFound(cache_->adopt_frame(blob_, noise.chunk)));
  EXPECT_TRUE(absl::IsNotFound(cache_->fill_in(blob_, noise.chunk)));
  std::string there(noise.frame.size(), '\0');
  ASSERT_TRUE(pread_all(file->get(), {reinterpret_cast<std::uint8_t*>(there.data()), there.size()}, 0).ok());
  EXPECT_TRUE(there == noise.frame) << "whoever has the file must find no holes in it";
}

TEST_F(CachePartialBlobs, StayWhileTheyAreInUse) {
  write(second_);
  cache_->start_eviction([this] { return Cache::InUse{.objects = {blob_}, .layers = {}, .layers_stay = false}; });

  ASSERT_TRUE(cache_->evict_to(0).ok());

  EXPECT_TRUE(cache_->adopt_frame(blob_, second_.chunk).ok());
  cache_->stop_eviction();
}

TEST_F(CachePartialBlobs, AreWholeOnceTheirBytesHashToTheirName) {
  write(first_);
  EXPECT_EQ(cache_->complete_partial(blob_, bytes_.size()).code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(cache_->has_object(blob_));
  write(second_);

  const absl::Status complete = cache_->complete_partial(blob_, bytes_.size());

  ASSERT_TRUE(complete.ok()) << complete;
  EXPECT_TRUE(cache_->has_object(blob_));
  EXPECT_EQ(cache_->open_object(blob_)->size, bytes_.size());
  EXPECT_TRUE(absl::IsAlreadyExists(cache_->open_partial(blob_).status()));
}

}  // namespace
}  // namespace samara::cache_index
