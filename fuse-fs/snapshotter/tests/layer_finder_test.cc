#include "snapshotter/layer_finder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <thread>

#include "fake_layer_site.h"

namespace samara::snapshotter {
namespace {

using peer::LayerStatus;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

constexpr std::uint64_t kMegabyte = 1'000'000;

class LayerFinderTest : public ::testing::Test {
 protected:
  LayerFinderTest() {
    options_.wait.base = milliseconds(100);
    options_.wait.slice = milliseconds(50);
    options_.site_answer = milliseconds(100);
    finder_.emplace(*cache_, &site_, clock_, metrics_, options_);
  }
  ~LayerFinderTest() override { finder_->stop(); }

  static LayerRequest request_for(const TestLayer& layer, const std::vector<TestLayer>& following = {}) {
    return *parse_layer_request(
        cri_labels(layer.diff_id.to_string(), layer, "docker.io/library/python:3", following));
  }
  absl::StatusOr<LayerFinder::Found> find(const TestLayer& layer) { return finder_->find(request_for(layer), std::nullopt); }

  FakeClock clock_;
  Metrics metrics_;
  TempDir directory_ = *TempDir::create("finder");
  std::unique_ptr<cache_index::Cache> cache_ = *cache_index::Cache::open({directory_.path()});
  FakeLayerSite site_{clock_, *cache_};
  LayerFinder::Options options_;
  std::optional<LayerFinder> finder_;
  const TestLayer layer_ = make_file_layer("hello", "world");
};

TEST_F(LayerFinderTest, AsksTheSiteAndKeepsWhatItSays) {
  site_.has(layer_);

  const auto found = find(layer_);

  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->index->info().diff_id, layer_.diff_id);
  EXPECT_TRUE(cache_->layer(layer_.record.layer).ok());
  EXPECT_EQ(site_.queries()[0].registry, "docker.io");
  EXPECT_EQ(site_.queries()[0].repository, "library/python");
}

TEST_F(LayerFinderTest, NeedsNoSiteForWhatIsHere) {
  site_.has(layer_);
  ASSERT_TRUE(find(layer_).ok());
  site_.goes_away();

  const auto found = find(layer_);

  EXPECT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(site_.asked().size(), 1u);
}

TEST_F(LayerFinderTest, RefusesALayerThatIsNotTheOneMeant) {
  site_.has(layer_);
  LayerRequest request = request_for(layer_);
  request.chain_id = *Digest::parse("sha256:" + std::string(64, 'e'));

  const auto found = finder_->find(request, std::nullopt);

  EXPECT_TRUE(absl::IsDataLoss(found.status()));
  EXPECT_TRUE(absl::IsNotFound(cache_->layer(layer_.record.layer).status()));
}

TEST_F(LayerFinderTest, TheParentIsPartOfTheProof) {
  site_.has(layer_);
  const Digest parent = *Digest::parse("sha256:" + std::string(64, 'f'));
  LayerRequest request = request_for(layer_);
  request.chain_id = chain_id(parent, layer_.diff_id);

  EXPECT_FALSE(finder_->find(request, std::nullopt).ok());
  EXPECT_TRUE(finder_->find(request, parent).ok());
}

TEST_F(LayerFinderTest, RefusesARecordOfAnotherLayerOrAnImpossibleSize) {
  LayerStatus other, huge;
  other.state = huge.state = LayerStatus::State::kConverted;
  other.record = huge.record = layer_.record;
  other.record.layer = layer_.record.blob;
  huge.record.index_size = ~0ull;

  site_.answers(layer_.record.layer, other);
  EXPECT_TRUE(absl::IsDataLoss(find(layer_).status()));
  site_.answers(layer_.record.layer, huge);
  EXPECT_TRUE(absl::IsDataLoss(find(layer_).status()));
  EXPECT_EQ(site_.fetches(), 0u);
}

TEST_F(LayerFinderTest, WaitsForAConversionThatEndsInTime) {
  site_.converts(layer_, {0, 4 * kMegabyte, 8 * kMegabyte, 12 * kMegabyte}, 16 * kMegabyte);

  const auto found = find(layer_);

  EXPECT_TRUE(found.ok()) << found.status();
}

TEST_F(LayerFinderTest, DoesNotWaitForAConversionThatTakesLongerThanAPull) {
  std::vector<std::uint64_t> crawling(100);
  std::iota(crawling.begin(), crawling.end(), 0);
  site_.converts(layer_, crawling, 16 * kMegabyte);

  const auto found = find(layer_);

  // Half of an ordinary pull's 900 ms, in slices of 50 ms.
  EXPECT_TRUE(absl::IsUnavailable(found.status())) << found.status();
  EXPECT_LE(site_.asked().size(), 10u);
}

TEST_F(LayerFinderTest, DoesNotWaitOnceALayerOfTheImageFellBack) {
  site_.converts(layer_, {0, 4 * kMegabyte}, 16 * kMegabyte);
  finder_->note_fallback("docker.io/library/python:3");

  const auto found = find(layer_);

  EXPECT_TRUE(absl::IsUnavailable(found.status()));
  EXPECT_EQ(site_.asked().size(), 1u);
}

TEST_F(LayerFinderTest, TellsWhyTheSiteCannotConvertIt) {
  LayerStatus failed;
  failed.state = LayerStatus::State::kFailed;
  failed.error = "corrupt gzip";
  site_.answers(layer_.record.layer, failed);

  const auto found = find(layer_);

  EXPECT_TRUE(absl::IsFailedPrecondition(found.status()));
  EXPECT_THAT(std::string(found.status().message()), HasSubstr("corrupt gzip"));
}

TEST_F(LayerFinderTest, AnUnknownLayerIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(find(layer_).status()));
}

TEST_F(LayerFinderTest, LeavesASiteThatIsAwayAloneForAWhile) {
  site_.goes_away();
  EXPECT_TRUE(absl::IsUnavailable(find(layer_).status()));
  EXPECT_TRUE(absl::IsUnavailable(find(layer_).status()));
  EXPECT_EQ(site_.asked().size(), 1u);

  site_.comes_back();
  site_.has(layer_);
  clock_.advance(seconds(5));

  EXPECT_TRUE(find(layer_).ok());
}

TEST_F(LayerFinderTest, ASilentSiteCostsOnlyTheTimeItHasToAnswer) {
  site_.is_silent_about(layer_.record.layer);

  const auto found = find(layer_);

  EXPECT_TRUE(absl::IsUnavailable(found.status())) << found.status();
}

TEST_F(LayerFinderTest, ASiteThatWasOnlySlowIsAskedAgainInTheBackground) {
  site_.is_silent_about(layer_.record.layer, 1);
  site_.has(layer_);
  ASSERT_TRUE(absl::IsUnavailable(find(layer_).status()));

  // The clock stands still, so only the question in the background can end this.
  while (!find(layer_).ok()) std::this_thread::yield();

  EXPECT_EQ(site_.asked().size(), 3u);
}

TEST_F(LayerFinderTest, OneSlowLayerDoesNotHoldUpAnother) {
  options_.site_answer = std::chrono::hours(1);
  finder_.emplace(*cache_, &site_, clock_, metrics_, options_);
  const TestLayer silent = make_file_layer("silent", "…");
  site_.is_silent_about(silent.record.layer);
  site_.has(layer_);
  absl::Status silent_status;
  std::thread slow([&] { silent_status = find(silent).status(); });
  site_.wait_until_asked(silent.record.layer);

  const auto found = find(layer_);

  EXPECT_TRUE(found.ok()) << found.status();
  finder_->stop();
  slow.join();
  EXPECT_TRUE(absl::IsUnavailable(silent_status));
}

TEST_F(LayerFinderTest, BringsTheFollowingIndexesMeanwhile) {
  const TestLayer next = make_file_layer("next", "layer");
  site_.has(layer_);
  site_.has(next);

  ASSERT_TRUE(finder_->find(request_for(layer_, {next}), std::nullopt).ok());
  site_.wait_for_fetches(2);

  EXPECT_TRUE(cache_->has_object(next.record.index));
}

TEST_F(LayerFinderTest, FetchesADamagedIndexAgain) {
  site_.has(layer_);
  ASSERT_TRUE(find(layer_).ok());
  const std::string path = cache_->object_path(layer_.record.index);
  std::string bytes = *read_file(path);
  bytes[0] ^= 1;
  ASSERT_TRUE(write_file_atomic(path, bytes).ok());

  const auto found = find(layer_);

  EXPECT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(site_.fetches(), 2u);
}

TEST_F(LayerFinderTest, WithoutASiteOnlyWhatIsHereIsFound) {
  LayerFinder offline(*cache_, nullptr, clock_, metrics_, options_);

  EXPECT_TRUE(absl::IsNotFound(offline.find(request_for(layer_), std::nullopt).status()));
}

}  // namespace
}  // namespace samara::snapshotter
