#include "cache_index/image_cache.h"

#include <gmock/gmock.h>

#include "fake_clock.h"
#include "published_layer.h"

/// What people are told of images, and what goes when they want them gone.
namespace samara::cache_index {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Doing = Cache::Doing;
using std::chrono::hours;
using std::chrono::seconds;

class FakeNames final : public ImageCache::Names {
 public:
  absl::StatusOr<std::vector<ImageContents>> images() const override { return images_; }
  absl::Status forget(const std::string& name) override {
    std::erase_if(images_, [&](const ImageContents& image) { return image.name == name; });
    return absl::OkStatus();
  }
  std::vector<ImageContents> images_;
};

/// Two images with a layer of their own each, and one that both have.
class ImageCacheTest : public ::testing::Test {
 protected:
  ImageCacheTest() {
    base_ = publish(1);
    for (std::uint64_t i = 2; i <= 3; ++i) {
      const std::string manifest = "manifest " + std::to_string(i);
      EXPECT_TRUE(cache_->put_object(digest_of(manifest), as_bytes(manifest)).ok());
      own_[i - 2] = publish(i);
      names_.images_.push_back({.name = "r.test/app:" + std::to_string(i),
                                .manifest = digest_of(manifest),
                                .objects = {digest_of(manifest)},
                                .layers = {base_.layer, own_[i - 2].layer},
                                .in_use = ""});
    }
  }
  LayerRecord publish(std::uint64_t seed) {
    return publish_layer_of(*cache_, "layer " + std::to_string(seed), {{.path = "file", .content = sample_bytes(seed, 1u << 20)}});
  }
  std::uint64_t now() const {
    return static_cast<std::uint64_t>(std::chrono::duration_cast<seconds>(clock_.wall_now().time_since_epoch()).count());
  }

  FakeClock clock_;
  TempDir dir_ = *TempDir::create("cache");
  const std::unique_ptr<Cache> cache_ = *Cache::open({.root = dir_.path() + "/cache", .clock = &clock_});
  FakeNames names_;
  LayerRecord base_, own_[2];
  ImageCache images_{*cache_, names_, clock_};
};

TEST_F(ImageCacheTest, TellsWhatIsHereAndWhatIsShared) {
  const auto list = images_.list();

  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_THAT(*list, SizeIs(2));
  const ImageState& one = (*list)[0];
  EXPECT_EQ(one.image.name, "r.test/app:2");
  EXPECT_TRUE(one.complete);
  EXPECT_EQ(one.bytes, one.bytes_total);
  EXPECT_EQ(one.bytes_shared, base_.blob_size + base_.index_size);
  EXPECT_EQ(one.last_use, now());
  ASSERT_THAT(one.layers, SizeIs(2));
  EXPECT_THAT(one.layers[0].shared_with, ElementsAre("r.test/app:3"));
  EXPECT_THAT(one.layers[1].shared_with, IsEmpty());
  EXPECT_EQ(one.layers[1].bytes_total, own_[0].blob_size + own_[0].index_size);
}

TEST_F(ImageCacheTest, AnImageWithALayerThatIsMissingIsNotComplete) {
  ASSERT_TRUE(cache_->remove_object(own_[0].index).ok());

  const auto list = images_.list();

  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_FALSE((*list)[0].complete);
  EXPECT_EQ((*list)[0].layers[1].bytes_total, 0u);
  EXPECT_TRUE((*list)[1].complete);
}

TEST_F(ImageCacheTest, RemovesAnImageAndWhatOnlyItNeeds) {
  const auto planned = images_.remove("r.test/app:2", Doing::kPlan);
  const auto removed = images_.remove("r.test/app:2", Doing::kRemove);

  ASSERT_TRUE(planned.ok() && removed.ok()) << planned.status() << removed.status();
  EXPECT_GE(planned->bytes, own_[0].blob_size);
  EXPECT_THAT(removed->images, ElementsAre("r.test/app:2"));
  EXPECT_FALSE(cache_->has_object(own_[0].blob));
  EXPECT_TRUE(cache_->has_object(base_.blob));
  const auto list = images_.list();
  ASSERT_THAT(*list, SizeIs(1));
  EXPECT_TRUE((*list)[0].complete);
  EXPECT_EQ((*list)[0].bytes_shared, 0u);
}

TEST_F(ImageCacheTest, ADigestNamesAnImageToo) {
  const auto removed = images_.remove(names_.images_[1].manifest.to_string(), Doing::kRemove);

  ASSERT_TRUE(removed.ok()) << removed.status();
  EXPECT_THAT(removed->images, ElementsAre("r.test/app:3"));
}

TEST_F(ImageCacheTest, RefusesWhatIsUnknownPinnedOrInUse) {
  ASSERT_TRUE(cache_->add_pin({.name = "r.test/app:2", .reason = "a batch", .expires = 0, .members = names_.images_[0].layers}).ok());
  names_.images_[1].in_use = "a snapshot of containerd";

  const auto unknown = images_.remove("r.test/other:1", Doing::kRemove);
  const auto pinned = images_.remove("r.test/app:2", Doing::kRemove);
  const auto in_use = images_.remove("r.test/app:3", Doing::kRemove);

  EXPECT_TRUE(absl::IsNotFound(unknown.status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(pinned.status()));
  EXPECT_THAT(std::string(pinned.status().message()), HasSubstr("a batch"));
  EXPECT_TRUE(absl::IsFailedPrecondition(in_use.status()));
  EXPECT_THAT(std::string(in_use.status().message()), HasSubstr("a snapshot of containerd"));
  EXPECT_TRUE(cache_->has_object(own_[0].blob) && cache_->has_object(own_[1].blob));
}

TEST_F(ImageCacheTest, PrunesWhatNobodyUsedForSoLong) {
  clock_.advance(hours(72));
  ASSERT_TRUE(cache_->open_object(names_.images_[1].manifest).ok());  // used now

  const auto planned = images_.prune(hours(24), Doing::kPlan);
  const auto pruned = images_.prune(hours(24), Doing::kRemove);

  ASSERT_TRUE(planned.ok() && pruned.ok()) << planned.status() << pruned.status();
  EXPECT_THAT(planned->images, ElementsAre("r.test/app:2"));
  EXPECT_THAT(pruned->images, ElementsAre("r.test/app:2"));
  ASSERT_THAT(pruned->kept, SizeIs(1));
  EXPECT_EQ(pruned->kept[0].why, "used lately");
  EXPECT_FALSE(cache_->has_object(own_[0].blob));
  EXPECT_TRUE(cache_->has_object(own_[1].blob) && cache_->has_object(base_.blob));
}

TEST_F(ImageCacheTest, APrunedCacheHasPinnedImagesOnlyUntilThePinExpires) {
  ASSERT_TRUE(cache_->add_pin({.name = "p", .reason = "", .expires = now() + 3600, .members = names_.images_[0].layers}).ok());

  const auto first = images_.prune(seconds(0), Doing::kRemove);
  const bool kept = cache_->has_object(own_[0].blob);
  clock_.advance(hours(2));
  const auto second = images_.prune(seconds(0), Doing::kRemove);

  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_THAT(first->images, ElementsAre("r.test/app:3"));
  EXPECT_TRUE(kept);
  EXPECT_THAT(second->images, ElementsAre("r.test/app:2"));
  EXPECT_FALSE(cache_->has_object(own_[0].blob));
}

}  // namespace
}  // namespace samara::cache_index
