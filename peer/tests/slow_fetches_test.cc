#include "peer/slow_fetches.h"

#include <gmock/gmock.h>

#include "fetcher_fixture.h"

namespace samara::peer {
namespace {

using std::chrono::milliseconds;

TEST(SlowFetches, RemembersTheLastOfAChunk) {
  SlowFetches slow;
  const Digest chunk = Digest::sha256({1});

  slow.add({.chunk = chunk, .source = "site", .took = milliseconds(10)});
  slow.add({.chunk = Digest::sha256({2}), .source = "site"});
  slow.add({.chunk = chunk, .source = "cache", .took = milliseconds(20)});

  ASSERT_TRUE(slow.find(chunk));
  EXPECT_EQ(slow.find(chunk)->source, "cache");
  EXPECT_FALSE(slow.find(Digest::sha256({3})));
}

TEST(SlowFetches, ForgetsWhatIsLongAgo) {
  SlowFetches slow;
  slow.add({.chunk = Digest::sha256({1}), .source = "first"});

  for (std::size_t i = 0; i < SlowFetches::kMost; ++i) slow.add({.chunk = Digest::sha256({2}), .source = "later"});

  EXPECT_FALSE(slow.find(Digest::sha256({1})));
  EXPECT_TRUE(slow.find(Digest::sha256({2})));
}

class SlowFetchTest : public FetcherTest {
 protected:
  /// How a read of chunk 3 is explained that `near_` answers after `time`.
  std::optional<SlowFetch> read_slowly(milliseconds time) {
    near_.holds(1);
    auto result = read(3);
    near_.wait_for_requests(1);
    clock_.advance(time);
    near_.release();
    EXPECT_EQ(text(std::move(result)), expected(3));
    return fetcher_->slow_fetch(chunk(3).digest);
  }
  double stalls(const std::string& cause) { return count("samara_fetch_stalls_total", {{"cause", cause}}); }
};

TEST_F(SlowFetchTest, SaysWhichSourceWasSlow) {
  start();

  const auto slow = read_slowly(milliseconds(150));

  ASSERT_TRUE(slow);
  EXPECT_EQ(slow->source, "near");
  EXPECT_EQ(slow->cause, SlowCause::kSource);
  EXPECT_EQ(slow->took, milliseconds(150));
  EXPECT_EQ(stalls("source"), 1);
}

TEST_F(SlowFetchTest, SaysNothingOfWhatWasQuick) {
  start();

  EXPECT_FALSE(read_slowly(milliseconds(4)));
  EXPECT_EQ(stalls("source"), 0);
}

TEST_F(SlowFetchTest, SaysThatItWaitedForItsTurn) {
  start();
  near_.holds(2);
  auto first = read(0), second = read(7);  // both workers are busy now
  near_.wait_for_requests(2);

  auto result = read(3);
  clock_.advance(milliseconds(200));
  near_.release();
  EXPECT_EQ(text(std::move(result)), expected(3));

  const auto slow = fetcher_->slow_fetch(chunk(3).digest);
  ASSERT_TRUE(slow);
  EXPECT_EQ(slow->cause, SlowCause::kQueue);
  EXPECT_EQ(slow->queued, milliseconds(200));
  EXPECT_EQ(stalls("queue"), 1);
  first.wait();
  second.wait();
}

TEST_F(SlowFetchTest, SaysThatSourcesFailedBefore) {
  start();
  near_.fails(1);

  const Result result = get_while_time_passes(read(3), milliseconds(10));

  ASSERT_TRUE(result.ok()) << result.status();
  const auto slow = fetcher_->slow_fetch(chunk(3).digest);
  ASSERT_TRUE(slow);
  EXPECT_EQ(slow->cause, SlowCause::kFailures);
  EXPECT_EQ(slow->failed_attempts, 1u);
}

TEST_F(SlowFetchTest, CountsReadsThatNobodyAnswered) {
  start();
  near_.fails(1'000'000);

  const Result result = get_while_time_passes(read(3), milliseconds(1'000));

  EXPECT_TRUE(absl::IsDeadlineExceeded(result.status())) << result.status();
  EXPECT_EQ(stalls("deadline"), 1);
}

}  // namespace
}  // namespace samara::peer
