#include <gmock/gmock.h>

#include <filesystem>

#include "cache_fixture.h"

namespace samara::cache_index {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class CacheObjects : public CacheTest {
 protected:
  std::size_t files_in(const std::string& directory) {
    std::size_t files = 0;
    for (const auto& entry : fs::recursive_directory_iterator(root_ + "/" + directory)) files += entry.is_regular_file();
    return files;
  }

  const std::string text_ = "a manifest";
  const Digest digest_ = digest_of(text_);
};

TEST_F(CacheObjects, GivesBackWhatWasPutAlsoAfterReopening) {
  ASSERT_TRUE(cache_->put_object(digest_, as_bytes(text_)).ok());
  open();

  const auto object = cache_->open_object(digest_);

  ASSERT_TRUE(object.ok()) << object.status();
  ASSERT_EQ(object->size, text_.size());
  std::string read(object->size, '\0');
  ASSERT_TRUE(pread_all(object->fd.get(), {reinterpret_cast<std::uint8_t*>(read.data()), read.size()}, 0).ok());
  EXPECT_EQ(read, text_);
  EXPECT_TRUE(cache_->has_object(digest_));
}

TEST_F(CacheObjects, KeepsNothingOfBytesWithAnotherDigest) {
  const absl::Status status = cache_->put_object(digest_, as_bytes("something else"));

  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(digest_.to_string()));
  EXPECT_FALSE(cache_->has_object(digest_));
  EXPECT_EQ(files_in("incoming"), 0u);
  EXPECT_EQ(files_in("objects"), 0u);
}

TEST_F(CacheObjects, CanBeReadWhileItArrives) {
  const auto writer = cache_->create_object(digest_);
  ASSERT_TRUE(writer.ok()) << writer.status();

  ASSERT_TRUE((*writer)->append(as_bytes(text_.substr(0, 4))).ok());

  std::string read(4, '\0');
  ASSERT_EQ((*writer)->size(), 4u);
  ASSERT_TRUE(pread_all((*writer)->fd(), {reinterpret_cast<std::uint8_t*>(read.data()), 4}, 0).ok());
  EXPECT_EQ(read, text_.substr(0, 4));
  EXPECT_FALSE(cache_->has_object(digest_));
}

TEST_F(CacheObjects, GoOnAfterARestartFromWhatHadCome) {
  {
    const auto writer = cache_->create_object(digest_);
    ASSERT_TRUE(writer.ok()) << writer.status();
    ASSERT_TRUE((*writer)->append(as_bytes(text_.substr(0, 4))).ok());
  }
  open();
  EXPECT_FALSE(cache_->has_object(digest_));

  const auto writer = cache_->create_object(digest_);

  ASSERT_TRUE(writer.ok()) << writer.status();
  ASSERT_EQ((*writer)->size(), 4u);
  ASSERT_TRUE((*writer)->append(as_bytes(text_.substr(4))).ok());
  EXPECT_TRUE((*writer)->commit().ok());
  EXPECT_TRUE(cache_->open_object(digest_).ok());
  EXPECT_EQ(files_in("incoming"), 0u);
}

TEST_F(CacheObjects, OfWhichAWrongPartHadComeStartAnew) {
  {
    const auto writer = cache_->create_object(digest_);
    ASSERT_TRUE((*writer)->append(as_bytes("rubbish")).ok());
  }
  open();
  {
    const auto writer = cache_->create_object(digest_);
    ASSERT_EQ((*writer)->size(), 7u);
    EXPECT_TRUE(absl::IsDataLoss((*writer)->commit()));
  }

  const auto writer = cache_->create_object(digest_);

  EXPECT_EQ((*writer)->size(), 0u);
  ASSERT_TRUE((*writer)->append(as_bytes(text_)).ok());
  EXPECT_TRUE((*writer)->commit().ok());
}

TEST_F(CacheObjects, MayHaveTwoWritersOfWhichTheSecondStartsFromNothing) {
  const auto first = cache_->create_object(digest_);
  ASSERT_TRUE((*first)->append(as_bytes(text_.substr(0, 4))).ok());

  const auto second = cache_->create_object(digest_);

  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ((*second)->size(), 0u);
  ASSERT_TRUE((*second)->append(as_bytes(text_)).ok());
  EXPECT_TRUE((*second)->commit().ok());
  ASSERT_TRUE((*first)->append(as_bytes(text_.substr(4))).ok());
  EXPECT_TRUE((*first)->commit().ok());
  EXPECT_TRUE(cache_->open_object(digest_).ok());
}

TEST_F(CacheObjects, EmptiesIncomingAtOpen) {
  const auto directory = cache_->create_incoming_directory();
  ASSERT_TRUE(directory.ok()) << directory.status();
  ASSERT_TRUE(write_file_atomic(*directory + "/blob", "half of a layer").ok());

  open();

  EXPECT_EQ(files_in("incoming"), 0u);
}

TEST_F(CacheObjects, AreHashedOnTheirFirstUseAfterReopening) {
  ASSERT_TRUE(cache_->put_object(digest_, as_bytes(text_)).ok());
  alter(cache_->object_path(digest_), 3);
  open();

  const auto altered = cache_->open_object(digest_);
  const auto dropped = cache_->open_object(digest_);

  EXPECT_TRUE(absl::IsDataLoss(altered.status())) << altered.status();
  EXPECT_TRUE(absl::IsNotFound(dropped.status())) << dropped.status();
  EXPECT_FALSE(cache_->has_object(digest_));
  EXPECT_TRUE(cache_->put_object(digest_, as_bytes(text_)).ok());
  EXPECT_TRUE(cache_->open_object(digest_).ok());
}

TEST_F(CacheObjects, AreNotThereWhenTheirFileVanished) {
  ASSERT_TRUE(cache_->put_object(digest_, as_bytes(text_)).ok());

  fs::remove(cache_->object_path(digest_));

  EXPECT_FALSE(cache_->has_object(digest_));
  EXPECT_TRUE(absl::IsNotFound(cache_->open_object(digest_).status()));
}

TEST_F(CacheObjects, CanBeRemovedAndPutAgain) {
  ASSERT_TRUE(cache_->put_object(digest_, as_bytes(text_)).ok());

  ASSERT_TRUE(cache_->remove_object(digest_).ok());

  EXPECT_FALSE(cache_->has_object(digest_));
  EXPECT_EQ(files_in("objects"), 0u);
  EXPECT_TRUE(cache_->put_object(digest_, as_bytes(text_)).ok());
  EXPECT_TRUE(cache_->has_object(digest_));
}

TEST_F(CacheObjects, AreCountedWithTheirBlocks) {
  ASSERT_TRUE(cache_->put_object(digest_, as_bytes(text_)).ok());

  const auto usage = cache_->usage();

  ASSERT_TRUE(usage.ok()) << usage.status();
  EXPECT_EQ(usage->objects, 1u);
  EXPECT_GE(usage->disk_bytes, text_.size());
}

TEST_F(CacheObjects, FilesThatNoRowNamesAreRemovedAtOpen) {
  const std::string path = cache_->object_path(digest_);
  ASSERT_TRUE(make_directories(path.substr(0, path.rfind('/'))).ok());
  ASSERT_TRUE(write_file_atomic(path, text_).ok());

  open();

  EXPECT_FALSE(fs::exists(path));
}

TEST(CacheOpen, RefusesASecondOpenerAndNamesThePath) {
  const TempDir dir = *TempDir::create("cache");
  const auto first = Cache::open({.root = dir.path()});
  ASSERT_TRUE(first.ok()) << first.status();

  const auto second = Cache::open({.root = dir.path()});

  EXPECT_TRUE(absl::IsUnavailable(second.status())) << second.status();
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(dir.path()));
}

TEST(CacheOpen, RefusesANewerFormatVersion) {
  const TempDir dir = *TempDir::create("cache");
  {
    const auto newer = Cache::open({.root = dir.path()});
    ASSERT_TRUE(newer.ok()) << newer.status();
    ASSERT_TRUE((*newer)->store().write({{"meta", "format", "2"}}).ok());
  }

  const auto older = Cache::open({.root = dir.path()});

  EXPECT_EQ(older.status().code(), absl::StatusCode::kFailedPrecondition) << older.status();
  EXPECT_THAT(std::string(older.status().message()), HasSubstr("format version 2"));
}

TEST(CacheOpen, BeginsAnewOverAnOlderFormatButKeepsPinsAndTheTablesOfOthers) {
  const TempDir dir = *TempDir::create("cache");
  const Digest object = sha256(as_bytes("text"));
  {
    const auto cache = Cache::open({.root = dir.path()}, {"tags"});
    ASSERT_TRUE(cache.ok()) << cache.status();
    ASSERT_TRUE((*cache)->put_object(object, as_bytes("text")).ok());
    ASSERT_TRUE((*cache)->add_pin({.name = "kept", .reason = "", .expires = 0, .members = {object}}).ok());
    ASSERT_TRUE((*cache)->store().write({{"meta", "format", "0"}, {"chunks", "of another shape", "?"}, {"tags", "a", "b"}}).ok());
  }

  const auto cache = Cache::open({.root = dir.path()}, {"tags"});

  ASSERT_TRUE(cache.ok()) << cache.status();
  EXPECT_FALSE((*cache)->has_object(object));
  EXPECT_FALSE(fs::exists((*cache)->object_path(object)));
  EXPECT_TRUE(absl::IsNotFound((*cache)->store().get("chunks", "of another shape").status()));
  EXPECT_EQ((*cache)->store().get("tags", "a").value(), "b");
  EXPECT_EQ((*cache)->pins()->size(), 1u);
  EXPECT_EQ((*cache)->store().get("meta", "format").value(), "1");
}

TEST(CacheOpen, SharesItsDatabaseWithTablesOfOthers) {
  const TempDir dir = *TempDir::create("cache");
  const auto cache = Cache::open({.root = dir.path()}, {"tags"});
  ASSERT_TRUE(cache.ok()) << cache.status();

  ASSERT_TRUE((*cache)->store().write({{"tags", "latest", "abc"}}).ok());

  EXPECT_EQ((*cache)->store().get("tags", "latest").value(), "abc");
}

}  // namespace
}  // namespace samara::cache_index
