#include "cache_index/cache_reader.h"

#include <filesystem>
#include <set>

#include "published_layer.h"

namespace samara::cache_index {
namespace {

class CacheReaderTest : public CacheTest {
 protected:
  void publish() { publish_sample_layer(*cache_, &record_); }
  LayerRecord record_;
};

TEST_F(CacheReaderTest, ProvesALayerWhileTheCacheIsInUse) {
  ASSERT_NO_FATAL_FAILURE(publish());

  const auto reader = CacheReader::open(root_);

  ASSERT_TRUE(reader.ok()) << reader.status();
  ASSERT_EQ((*reader)->layers()->size(), 1u);
  const auto record = (*reader)->layer(record_.layer);
  ASSERT_TRUE(record.ok()) << record.status();
  const auto index = (*reader)->index(*record);
  ASSERT_TRUE(index.ok()) << index.status();
  EXPECT_TRUE(verify_layer(**index, (*reader)->chunks()).ok());
}

TEST_F(CacheReaderTest, SaysWhatIsNotHereAndWhatWasAltered) {
  ASSERT_NO_FATAL_FAILURE(publish());
  const auto reader = CacheReader::open(root_);
  ASSERT_TRUE(reader.ok()) << reader.status();
  const auto index = (*reader)->index(record_);
  ASSERT_TRUE(index.ok()) << index.status();

  alter(cache_->object_path(record_.blob), record_.blob_size / 2);
  EXPECT_TRUE(absl::IsDataLoss(verify_layer(**index, (*reader)->chunks())));
  std::filesystem::remove(cache_->object_path(record_.blob));
  EXPECT_TRUE(absl::IsNotFound(verify_layer(**index, (*reader)->chunks())));

  EXPECT_TRUE(absl::IsNotFound((*reader)->layer(digest_of("another")).status()));
  alter(cache_->object_path(record_.index), 600);
  EXPECT_TRUE(absl::IsDataLoss((*reader)->index(record_).status()));
}

TEST_F(CacheReaderTest, RefusesWhatIsNoCache) {
  EXPECT_TRUE(absl::IsNotFound(CacheReader::open(dir_.path() + "/nothing").status()));
}

TEST_F(CacheReaderTest, LeavesNothingInTheDirectory) {
  ASSERT_NO_FATAL_FAILURE(publish());
  const auto names = [&] {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root_)) names.insert(entry.path().string());
    return names;
  };
  const std::set<std::string> before = names();

  { const auto reader = CacheReader::open(root_); }

  EXPECT_EQ(names(), before);
}

}  // namespace
}  // namespace samara::cache_index
