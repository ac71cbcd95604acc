#include "peer/neighbour_views.h"

#include <gmock/gmock.h>

#include "base/file.h"
#include "cache_index/hasher.h"
#include "peer/neighbour_ranking.h"

namespace samara::peer {
namespace {

using std::chrono::milliseconds, std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const Digest kBlob = cache_index::sha256(as_bytes("a blob")), kOther = cache_index::sha256(as_bytes("another"));
const std::vector<std::string> kNodes = {"http://10.0.0.1:7703", "http://10.0.0.2:7703", "http://10.0.0.3:7703"};

struct NeighbourViewsTest : ::testing::Test {
  /// The first region that `node` brings.
  static std::uint64_t region_of(const std::string& node) {
    std::uint64_t offset = 0;
    while (owners(kNodes, kBlob, offset).front() != node) offset += kRegionBytes;
    return offset;
  }
  void knows_all() {
    views.note(kBlob, now);
    views.told(kBlob, {.urls = kNodes, .self = kNodes[0], .ticket = "leave", .ask_again = seconds(3)}, now);
  }

  NeighbourViews::TimePoint now{std::chrono::hours(1)};
  NeighbourViews views{{.first = milliseconds(1'000), .last = milliseconds(4'000), .liars = milliseconds(60'000)}};
};

TEST_F(NeighbourViewsTest, AskTheSiteUntilOthersAreKnown) {
  EXPECT_THAT(views.whom_to_ask(kBlob, 0, now).urls, IsEmpty());
  EXPECT_FALSE(views.is_ours(kBlob, 0, now));

  knows_all();

  const NeighbourViews::Plan plan = views.whom_to_ask(kBlob, region_of(kNodes[1]), now);
  EXPECT_THAT(plan.urls, ElementsAre(kNodes[1]));
  EXPECT_EQ(plan.ticket, "leave");
  EXPECT_THAT(views.whom_to_ask(kBlob, region_of(kNodes[0]), now).urls, IsEmpty());
  EXPECT_TRUE(views.is_ours(kBlob, region_of(kNodes[0]), now));
}

TEST_F(NeighbourViewsTest, BringWhatOthersMayStillCountOn) {
  views.note(kBlob, now);
  views.told(kBlob, {.urls = {kNodes[0]}, .self = kNodes[0], .ticket = "leave", .ask_again = seconds(3)}, now);
  const std::uint64_t region = region_of(kNodes[1]);
  knows_all();

  EXPECT_TRUE(views.is_ours(kBlob, region, now));  // whoever asked before the others came asks this node
  EXPECT_THAT(views.whom_to_ask(kBlob, region, now).urls, ElementsAre(kNodes[1]));

  knows_all();

  EXPECT_FALSE(views.is_ours(kBlob, region, now));
}

TEST_F(NeighbourViewsTest, AreSettledOnceASiteAnsweredOrCouldnt) {
  EXPECT_FALSE(views.is_settled(kBlob));
  views.note(kBlob, now);
  views.note(kOther, now);
  EXPECT_FALSE(views.is_settled(kBlob));

  knows_all();
  views.not_told(kOther, seconds(5), now);

  EXPECT_TRUE(views.is_settled(kBlob));
  EXPECT_TRUE(views.is_settled(kOther));
}

TEST_F(NeighbourViewsTest, LeaveThoseAloneLongerAndLongerThatFail) {
  knows_all();
  const std::uint64_t region = region_of(kNodes[1]);

  for (const int rest : {1, 2, 4, 4}) {
    views.failed(kNodes[1], now);
    now += seconds(rest) - milliseconds(1);
    EXPECT_THAT(views.whom_to_ask(kBlob, region, now).urls, IsEmpty()) << rest;
    EXPECT_THAT(views.anybody(kBlob, region, now).urls, ElementsAre(kNodes[2])) << rest;
    now += milliseconds(1);
    EXPECT_THAT(views.whom_to_ask(kBlob, region, now).urls, SizeIs(1)) << rest;
  }
  views.answered(kNodes[1]);
  views.lied(kNodes[2], now);
  now += seconds(59);
  EXPECT_THAT(views.anybody(kBlob, region, now).urls, ElementsAre(kNodes[1]));
}

TEST_F(NeighbourViewsTest, AreAskedForWhenTheSiteSaysAndForgottenWhenNobodyCares) {
  EXPECT_FALSE(views.next(now, seconds(60)).has_value());
  knows_all();
  views.note(kOther, now);
  EXPECT_EQ(views.next(now, seconds(60))->blob, kOther);  // new, so it is due at once

  views.not_told(kOther, seconds(5), now);

  EXPECT_EQ(views.next(now, seconds(60))->blob, kBlob);
  EXPECT_EQ(views.next(now, seconds(60))->at, now + seconds(3));
  now += seconds(61);
  views.note(kOther, now);
  EXPECT_EQ(views.next(now, seconds(60))->blob, kOther);
  EXPECT_THAT(views.anybody(kBlob, 0, now).urls, IsEmpty());
}

TEST_F(NeighbourViewsTest, GoOnWithWhatTheLastRunKnewAndAskTheSitesAtOnce) {
  views.remembered(kBlob, {.urls = kNodes, .self = kNodes[0], .ticket = "leave", .ask_again = seconds(30)}, now);

  EXPECT_TRUE(views.is_settled(kBlob));
  EXPECT_EQ(views.whom_to_ask(kBlob, region_of(kNodes[1]), now).ticket, "leave");
  const auto due = views.next(now, seconds(600));
  ASSERT_TRUE(due);
  EXPECT_EQ(due->at, now);
}

}  // namespace
}  // namespace samara::peer
