#include "snapshotter/wait_policy.h"

#include <gtest/gtest.h>

namespace samara::snapshotter {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t kMegabyte = 1'000'000;

class WaitPolicyTest : public ::testing::Test {
 protected:
  WaitPolicy::TimePoint at(milliseconds after) const { return start_ + after; }

  WaitPolicy::TimePoint start_ = WaitPolicy::TimePoint(seconds(1000));
  // 1 s, and what 20 MB/s take: 3 s for 40 MB.
  WaitPolicy policy_{{seconds(1), 20 * kMegabyte, milliseconds(500)}, start_};
};

TEST_F(WaitPolicyTest, TheLimitIsTheBaseAndAnOrdinaryPull) {
  EXPECT_EQ(policy_.limit(0), seconds(1));
  EXPECT_EQ(policy_.limit(40 * kMegabyte), seconds(3));
  EXPECT_LE(policy_.limit(~0ull), seconds(3601));
}

TEST_F(WaitPolicyTest, WaitsTheBaseWhateverTheSiteSays) {
  EXPECT_EQ(policy_.next_wait(at(milliseconds(0)), 0, 0), milliseconds(500));
  EXPECT_EQ(policy_.next_wait(at(milliseconds(500)), 0, 0), milliseconds(500));
  EXPECT_EQ(policy_.next_wait(at(milliseconds(900)), 0, 0), milliseconds(100));
  EXPECT_EQ(policy_.next_wait(at(milliseconds(1000)), 0, 0), milliseconds(0));
}

TEST_F(WaitPolicyTest, GoesOnWhileWhatIsLeftTakesLessThanAnOrdinaryPull) {
  (void)policy_.next_wait(at(milliseconds(0)), 0, 40 * kMegabyte);

  // 10 MB/s: 3 s of conversion left, an ordinary pull would take 3 s from now.
  EXPECT_EQ(policy_.next_wait(at(milliseconds(1000)), 10 * kMegabyte, 40 * kMegabyte), milliseconds(500));
  EXPECT_EQ(policy_.next_wait(at(milliseconds(2000)), 20 * kMegabyte, 40 * kMegabyte), milliseconds(500));
}

TEST_F(WaitPolicyTest, GivesUpWhenAnOrdinaryPullFromNowOnWouldBeFaster) {
  (void)policy_.next_wait(at(milliseconds(0)), 0, 40 * kMegabyte);

  // 5 MB/s: 6.5 s left.
  EXPECT_EQ(policy_.next_wait(at(milliseconds(1500)), 7'500'000, 40 * kMegabyte), milliseconds(0));
}

TEST_F(WaitPolicyTest, WaitsHalfAnOrdinaryPullBeforeItJudgesTheRate) {
  (void)policy_.next_wait(at(milliseconds(0)), 0, 40 * kMegabyte);

  EXPECT_EQ(policy_.next_wait(at(milliseconds(1000)), 0, 40 * kMegabyte), milliseconds(500));
  EXPECT_EQ(policy_.next_wait(at(milliseconds(1400)), 0, 40 * kMegabyte), milliseconds(100));
}

TEST_F(WaitPolicyTest, DoesNotCountWhatWasWaitedAlready) {
  (void)policy_.next_wait(at(milliseconds(0)), 0, 40 * kMegabyte);

  // Past the time of an ordinary pull, and nearly done.
  EXPECT_EQ(policy_.next_wait(at(milliseconds(4000)), 36 * kMegabyte, 40 * kMegabyte), milliseconds(500));
}

TEST_F(WaitPolicyTest, GivesUpWhenThereIsNoProgress) {
  (void)policy_.next_wait(at(milliseconds(0)), 5 * kMegabyte, 40 * kMegabyte);

  EXPECT_EQ(policy_.next_wait(at(milliseconds(1500)), 5 * kMegabyte, 40 * kMegabyte), milliseconds(0));
}

TEST_F(WaitPolicyTest, CountsOnlyProgressMadeWhileWaiting) {
  // Most was done before anybody waited; since then 1 MB/s.
  (void)policy_.next_wait(at(milliseconds(0)), 30 * kMegabyte, 40 * kMegabyte);

  EXPECT_EQ(policy_.next_wait(at(milliseconds(1500)), 31 * kMegabyte, 40 * kMegabyte), milliseconds(0));
}

TEST_F(WaitPolicyTest, NeverWaitsBeyondThreeOrdinaryPulls) {
  (void)policy_.next_wait(at(milliseconds(0)), 0, 40 * kMegabyte);

  EXPECT_EQ(policy_.next_wait(at(milliseconds(8900)), 39 * kMegabyte, 40 * kMegabyte), milliseconds(100));
  EXPECT_EQ(policy_.next_wait(at(milliseconds(9000)), 39 * kMegabyte, 40 * kMegabyte), milliseconds(0));
}

}  // namespace
}  // namespace samara::snapshotter
