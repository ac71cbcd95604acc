#include "outages.h"

#include <gtest/gtest.h>

#include "fake_clock.h"

namespace samara::registry_proxy {
namespace {

using std::chrono::seconds;

TEST(Outages, LetsEverybodyAskARegistryThatAnswers) {
  FakeClock clock;
  Outages outages(clock, seconds(10));

  for (int i = 0; i < 100; ++i) EXPECT_TRUE(outages.may_ask("a.test"));
}

TEST(Outages, PausesAfterAFailureAndThenLetsOneAskForAll) {
  FakeClock clock;
  Outages outages(clock, seconds(10));
  EXPECT_TRUE(outages.may_ask("a.test"));
  outages.done("a.test", true);

  EXPECT_FALSE(outages.may_ask("a.test"));
  EXPECT_TRUE(outages.may_ask("b.test"));
  clock.advance(seconds(4));
  EXPECT_FALSE(outages.may_ask("a.test"));
  clock.advance(seconds(6));
  EXPECT_TRUE(outages.may_ask("a.test"));
  EXPECT_FALSE(outages.may_ask("a.test"));
}

TEST(Outages, PausesLongerAfterEachFailureUpToAMinute) {
  FakeClock clock;
  Outages outages(clock, seconds(10));
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(outages.may_ask("a.test"));
    outages.done("a.test", true);
    clock.advance(seconds(60));
  }

  ASSERT_TRUE(outages.may_ask("a.test"));
  outages.done("a.test", true);
  clock.advance(seconds(29));
  EXPECT_FALSE(outages.may_ask("a.test"));
}

TEST(Outages, CountsThoseThatFailedTogetherOnce) {
  FakeClock clock;
  Outages outages(clock, seconds(10));
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(outages.may_ask("a.test"));
  for (int i = 0; i < 50; ++i) outages.done("a.test", true);

  clock.advance(seconds(10));

  EXPECT_TRUE(outages.may_ask("a.test"));
}

TEST(Outages, LetsOnlyAFewAskAtATimeOnceItIsBack) {
  FakeClock clock;
  Outages outages(clock, seconds(10));
  ASSERT_TRUE(outages.may_ask("a.test"));
  outages.done("a.test", true);
  clock.advance(seconds(10));
  ASSERT_TRUE(outages.may_ask("a.test"));
  outages.done("a.test", false);

  int asking = 0;
  while (outages.may_ask("a.test") && asking < 100) ++asking;
  EXPECT_EQ(asking, 4);
  outages.done("a.test", false);
  EXPECT_TRUE(outages.may_ask("a.test"));
  clock.advance(seconds(31));
  EXPECT_TRUE(outages.may_ask("a.test"));
}

}  // namespace
}  // namespace samara::registry_proxy
