#include "cache_index/fsck.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "published_layer.h"

namespace samara::cache_index {
namespace {

namespace fs = std::filesystem;
using Kind = FsckProblem::Kind;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// A cache with an object and two chunks in a partial blob, closed whenever it is examined.
class Fsck : public CacheTest {
 protected:
  void SetUp() override {
    CacheTest::SetUp();
    ASSERT_TRUE(cache_->put_object(digest_of(text_), as_bytes(text_)).ok());
    put(first_);
    put(second_);
  }
  void put(const MadeChunk& made) { ASSERT_TRUE(cache_->put_frame(blob_, made.chunk, as_bytes(made.frame)).ok()); }

  std::vector<Kind> examine(bool mend = false) {
    cache_.reset();
    const auto report = fsck({.root = root_, .mend = mend, .threads = 2, .progress = {}});
    EXPECT_TRUE(report.ok()) << report.status();
    std::vector<Kind> kinds;
    if (report.ok()) {
      for (const FsckProblem& problem : report->problems) kinds.push_back(problem.kind);
    }
    return kinds;
  }
  /// Found, mended, gone; and what is left is right.
  void expect_mended(std::vector<Kind> kinds) {
    EXPECT_EQ(examine(), kinds);
    EXPECT_EQ(examine(true), kinds);
    EXPECT_THAT(examine(), IsEmpty());
    open();
  }
  std::string path(const Digest& digest) const {
    return root_ + "/objects/sha256/" + digest.hex().substr(0, 2) + "/" + digest.hex();
  }

  const std::string text_ = "a manifest";
  const Digest blob_ = digest_of("a blob");
  const MadeChunk first_ = make_chunk(sample_bytes(1, 200'000));
  const MadeChunk second_ = make_chunk(sample_bytes(2, 200'000), 1u << 20);
};

TEST_F(Fsck, FindsNothingWrongWithAGoodCache) {
  LayerRecord record;
  ASSERT_NO_FATAL_FAILURE(publish_sample_layer(*cache_, &record));
  cache_.reset();

  const auto report = fsck({.root = root_, .mend = false, .threads = 1, .progress = {}});

  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->problem_count, 0u);
  EXPECT_EQ(report->objects, 4u);
  EXPECT_GT(report->chunks, 2u);
  EXPECT_GT(report->bytes, record.blob_size);
}

TEST_F(Fsck, FindsNothingWrongAfterAnEviction) {
  const MadeChunk next = make_chunk(sample_bytes(3, 100'000), second_.chunk.blob_range().end);
  put(next);
  ASSERT_TRUE(cache_->evict_to(0).ok());
  put(first_);

  EXPECT_THAT(examine(), IsEmpty());
}

TEST_F(Fsck, RefusesACacheThatADaemonUses) {
  const auto report = fsck({.root = root_, .mend = false, .threads = 1, .progress = {}});

  EXPECT_TRUE(absl::IsUnavailable(report.status())) << report.status();
}

TEST_F(Fsck, RefusesWhatIsNoCache) {
  EXPECT_TRUE(absl::IsNotFound(fsck({.root = root_ + "/none", .mend = true, .threads = 1, .progress = {}}).status()));
}

TEST_F(Fsck, MendsRowsWithoutBytes) {
  fs::remove(path(blob_));

  expect_mended({Kind::kRowWithoutBytes, Kind::kRowWithoutBytes, Kind::kRowWithoutBytes});

  EXPECT_FALSE(cache_->has_chunk(first_.chunk.digest));
  EXPECT_TRUE(cache_->open_object(digest_of(text_)).ok());
}

TEST_F(Fsck, MendsChunksWhoseFileWasCut) {
  fs::resize_file(path(blob_), second_.chunk.blob_offset + 10);

  const auto kinds = examine(true);

  EXPECT_THAT(kinds, ElementsAre(Kind::kRowWithoutBytes));
  EXPECT_THAT(examine(true), IsEmpty());
  open();
  EXPECT_EQ(cache_->read_chunk(first_.chunk).value_or(""), first_.bytes);
  EXPECT_FALSE(cache_->has_chunk(second_.chunk.digest));
}

TEST_F(Fsck, MendsAlteredChunks) {
  alter(path(blob_), second_.chunk.blob_offset + 70);

  EXPECT_THAT(examine(), ElementsAre(Kind::kAlteredChunk));
  EXPECT_THAT(examine(true), ElementsAre(Kind::kAlteredChunk));
  EXPECT_THAT(examine(), IsEmpty());
  open();
  EXPECT_EQ(cache_->read_chunk(first_.chunk).value_or(""), first_.bytes);
  put(second_);
  EXPECT_EQ(cache_->read_chunk(second_.chunk).value_or(""), second_.bytes);
}

TEST_F(Fsck, MendsAlteredObjects) {
  alter(path(digest_of(text_)), 2);

  expect_mended({Kind::kAlteredObject});

  EXPECT_FALSE(cache_->has_object(digest_of(text_)));
  EXPECT_EQ(cache_->read_chunk(first_.chunk).value_or(""), first_.bytes);
}

TEST_F(Fsck, KeepsTheGoodChunksOfABlobThatWasAltered) {
  LayerRecord record;
  ASSERT_NO_FATAL_FAILURE(publish_sample_layer(*cache_, &record));
  const auto index = IndexReader::open(cache_->object_path(record.index));
  const Chunk last = (*index)->chunk((*index)->info().chunk_count - 1).value();
  alter(path(record.blob), last.blob_offset + last.blob_size / 2);

  EXPECT_THAT(examine(true), ElementsAre(Kind::kAlteredObject, Kind::kAlteredChunk));
  EXPECT_THAT(examine(true), IsEmpty());

  open();
  EXPECT_FALSE(cache_->has_object(record.blob));
  EXPECT_EQ(cache_->presence(**index)->chunks, (*index)->info().chunk_count - 1);
}

TEST_F(Fsck, MendsBytesWithoutRows) {
  const std::string unknown = path(digest_of("nobody knows"));
  ASSERT_TRUE(make_directories(unknown.substr(0, unknown.rfind('/'))).ok());
  ASSERT_TRUE(write_file_atomic(unknown, "bytes").ok());

  EXPECT_THAT(examine(true), ElementsAre(Kind::kBytesWithoutRow));

  EXPECT_FALSE(fs::exists(unknown));
}

TEST_F(Fsck, GivesBackWhatNoChunkClaims) {
  const MadeChunk dropped = make_chunk(sample_bytes(3, 500'000), 2u << 20);
  put(dropped);
  ASSERT_TRUE(cache_->store().write({{"chunks", dropped.chunk.digest.key(), std::nullopt}}).ok());
  cache_.reset();

  const auto mended = fsck({.root = root_, .mend = true, .threads = 1, .progress = {}});
  const auto again = fsck({.root = root_, .mend = false, .threads = 1, .progress = {}});

  EXPECT_EQ(mended->problem_count, 0u);
  EXPECT_GE(mended->unclaimed_bytes, 490'000u);
  EXPECT_EQ(again->unclaimed_bytes, 0u);
  open();
  EXPECT_EQ(cache_->read_chunk(second_.chunk).value_or(""), second_.bytes);
}

TEST_F(Fsck, MendsDamagedRowsAndStalePins) {
  ASSERT_TRUE(cache_->add_pin({.name = "old", .reason = "", .expires = 1, .members = {blob_}}).ok());
  ASSERT_TRUE(cache_->store()
                  .write({{"objects", digest_of(text_).key(), "?"},
                          {"chunks", first_.chunk.digest.key(), "?"},
                          {"layers", blob_.key(), "?"},
                          {"pins", "bad", "?"}})
                  .ok());

  EXPECT_THAT(examine(true), ElementsAre(Kind::kDamagedRow, Kind::kDamagedRow, Kind::kBytesWithoutRow,
                                         Kind::kDamagedRow, Kind::kDamagedRow, Kind::kStalePin));
  EXPECT_THAT(examine(), IsEmpty());
}

TEST_F(Fsck, MendsInterruptedWritesAndLeavesPartsOfObjectsToTheirNextDownload) {
  ASSERT_TRUE(cache_->create_incoming_directory().ok());
  {
    const auto writer = cache_->create_object(digest_of("more"));
    ASSERT_TRUE((*writer)->append(as_bytes("mo")).ok());
  }

  EXPECT_THAT(examine(true), ElementsAre(Kind::kInterruptedWrite));

  open();
  EXPECT_EQ((*cache_->create_object(digest_of("more")))->size(), 2u);
}

TEST_F(Fsck, RepairsADatabaseThatCantBeOpened) {
  open();  // moves the rows out of the log, of which nothing can be told without the file that is cut next
  cache_.reset();
  for (const auto& entry : fs::directory_iterator(root_ + "/db")) {
    if (entry.path().filename().string().starts_with("MANIFEST")) fs::resize_file(entry.path(), 10);
  }

  const auto refused = fsck({.root = root_, .mend = false, .threads = 1, .progress = {}});
  const auto mended = fsck({.root = root_, .mend = true, .threads = 1, .progress = {}});

  EXPECT_FALSE(refused.ok());
  ASSERT_TRUE(mended.ok()) << mended.status();
  EXPECT_TRUE(mended->database_repaired);
  open();
  EXPECT_EQ(cache_->read_chunk(first_.chunk).value_or(""), first_.bytes);
}

}  // namespace
}  // namespace samara::cache_index
