#include <gmock/gmock.h>

#include "fake_clock.h"
#include "published_layer.h"

/// What goes when somebody wants it gone, and what stays because something else needs it.
namespace samara::cache_index {
namespace {

using Doing = Cache::Doing;

class CacheRemove : public ::testing::Test {
 protected:
  CacheRemove() {
    auto cache = Cache::open({.root = dir_.path() + "/cache", .clock = &clock_});
    EXPECT_TRUE(cache.ok()) << cache.status();
    cache_ = *std::move(cache);
  }

  LayerRecord publish(const std::string& name, const std::vector<SampleEntry>& files) { return publish_layer_of(*cache_, name, files); }
  /// Can every chunk of the layer be read?
  bool is_whole(const LayerRecord& record) {
    const auto index = IndexReader::open(cache_->object_path(record.index));
    if (!index.ok()) return false;
    for (std::uint32_t i = 0; i < (*index)->info().chunk_count; ++i)
      if (!cache_->read_chunk(*(*index)->chunk(i)).ok()) return false;
    return true;
  }
  std::uint64_t remove(const Cache::Removal& removal, Doing doing = Doing::kRemove) {
    const auto freed = cache_->remove(removal, doing);
    EXPECT_TRUE(freed.ok()) << freed.status();
    return freed.value_or(0);
  }

  FakeClock clock_;
  TempDir dir_ = *TempDir::create("cache");
  std::unique_ptr<Cache> cache_;
  const SampleEntry own_a_{.path = "a", .content = sample_bytes(1, 1u << 20)};
  const SampleEntry own_b_{.path = "b", .content = sample_bytes(2, 1u << 20)};
  const SampleEntry shared_{.path = "shared", .content = sample_bytes(3, 2u << 20)};
};

TEST_F(CacheRemove, TakesALayerWithIndexAndBlobAndLeavesTheOthers) {
  const LayerRecord a = publish("a", {own_a_}), b = publish("b", {own_b_});

  const std::uint64_t freed = remove({.members = {a.layer}});

  EXPECT_GE(freed, a.blob_size);
  EXPECT_FALSE(cache_->has_object(a.blob) || cache_->has_object(a.index));
  EXPECT_FALSE(cache_->converted_layer(a.layer).ok());
  EXPECT_TRUE(is_whole(b));
}

TEST_F(CacheRemove, APlanSaysAsMuchAndRemovesNothing) {
  const LayerRecord a = publish("a", {own_a_, shared_}), b = publish("b", {own_b_, shared_});
  const Cache::Removal removal{.members = {b.layer}, .keep = {a.layer}};

  const std::uint64_t planned = remove(removal, Doing::kPlan);

  EXPECT_TRUE(is_whole(a) && is_whole(b));
  const std::uint64_t freed = remove(removal);
  EXPECT_GE(planned, b.blob_size);
  EXPECT_NEAR(static_cast<double>(freed), static_cast<double>(planned), 300e3);  // the database's log is in one of them
}

// The rows of shared chunks point to whichever blob came last.
TEST_F(CacheRemove, AKeptLayerStaysWholeWhicheverOfTheTwoGoes) {
  const LayerRecord a = publish("a", {own_a_, shared_}), b = publish("b", {own_b_, shared_});

  remove({.members = {b.layer}, .keep = {a.layer}});

  EXPECT_TRUE(is_whole(a));
  EXPECT_TRUE(cache_->has_object(a.blob));
  EXPECT_FALSE(cache_->has_object(b.blob));
}

TEST_F(CacheRemove, ChunksOfAPartialBlobThatAKeptLayerNeedsStay) {
  const LayerRecord a = publish("a", {own_a_, shared_}), b = publish("b", {own_b_, shared_});
  const auto index = IndexReader::open(cache_->object_path(a.index));
  ASSERT_TRUE(index.ok());
  // a's blob goes, all but its index: now a lives by the chunks that it shares with b.
  ASSERT_TRUE(cache_->remove_object(a.blob).ok());
  std::uint32_t before = cache_->presence(**index)->chunks;
  ASSERT_GT(before, 0u);

  remove({.members = {b.layer}, .keep = {a.layer}});

  EXPECT_EQ(cache_->presence(**index)->chunks, before);
  EXPECT_TRUE(cache_->has_object(b.blob));  // goes whole or not at all
}

TEST_F(CacheRemove, LeavesWhatIsPinnedOrInUse) {
  const LayerRecord a = publish("a", {own_a_}), b = publish("b", {own_b_});
  ASSERT_TRUE(cache_->add_pin({.name = "mine", .reason = "", .expires = 0, .members = {a.layer}}).ok());
  std::shared_ptr<const IndexReader> index = *IndexReader::open(cache_->object_path(b.index));
  cache_->start_eviction([&] { return Cache::InUse{.objects = {b.index}, .layers = {index}}; });

  remove({.everything = true});

  EXPECT_TRUE(is_whole(a) && is_whole(b));
  cache_->stop_eviction();
}

TEST_F(CacheRemove, LeavesWhatWasUsedLately) {
  const LayerRecord old = publish("a", {own_a_});
  clock_.advance(std::chrono::hours(48));
  const LayerRecord fresh = publish("b", {own_b_});
  const auto yesterday = clock_.wall_now() - std::chrono::hours(24);

  remove({.everything = true,
          .used_before = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(yesterday.time_since_epoch()).count())});

  EXPECT_FALSE(cache_->has_object(old.blob) || cache_->has_object(old.index));
  EXPECT_TRUE(is_whole(fresh));
}

TEST_F(CacheRemove, ExpiredPinsGoToo) {
  const auto now = std::chrono::duration_cast<std::chrono::seconds>(clock_.wall_now().time_since_epoch()).count();
  const LayerRecord a = publish("a", {own_a_});
  ASSERT_TRUE(cache_->add_pin({.name = "short", .reason = "", .expires = static_cast<std::uint64_t>(now) + 60, .members = {a.layer}}).ok());
  clock_.advance(std::chrono::hours(1));

  remove({.everything = true});

  EXPECT_FALSE(cache_->has_object(a.blob));
  EXPECT_TRUE(absl::IsNotFound(cache_->remove_pin("short")));
}

}  // namespace
}  // namespace samara::cache_index
