#include "peer/site_beat.h"

#include <gmock/gmock.h>

#include "base/file.h"
#include "cache_index/hasher.h"

namespace samara::peer {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

Digest digest(std::string_view text) { return cache_index::sha256(as_bytes(text)); }

absl::StatusOr<SiteBeat> arrive(const std::string& query) {
  const auto target = http::parse_target(std::string(kSiteBeatPath) + query);
  if (!target) return absl::InvalidArgumentError("no target");
  return site_beat_from(*target);
}

SiteBeat::Node node(const std::string& name) {
  SiteBeat::Node node{name, "10.0.0.7", {}};
  node.beat.name = "n";
  node.beat.labels = {{"zone", "a"}};
  node.beat.reports.push_back({{digest("image"), WarmLevel::kFull}, WarmReport::State::kFailed, 1, 2, "100% full & more"});
  return node;
}

TEST(SiteBeat, ArrivesAsItWasSaid) {
  SiteBeat beat;
  beat.self.name = "edge-1";
  beat.self.reports.push_back({{digest("image"), WarmLevel::kFull, true}, WarmReport::State::kVerified, 5, 9, ""});
  beat.link_rate = 7;
  beat.link_day = 100;
  beat.link_today = 3;
  beat.nodes = {node("n"), node("sub/n")};
  beat.same = {"a", "sub/b"};

  const auto got = arrive(to_query(beat));

  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->self.name, "edge-1");
  EXPECT_EQ(got->self.reports, beat.self.reports);
  EXPECT_EQ(got->link_rate, 7u);
  EXPECT_EQ(got->link_today, 3u);
  ASSERT_THAT(got->nodes, SizeIs(2));
  EXPECT_EQ(got->nodes[1].name, "sub/n");
  EXPECT_EQ(got->nodes[1].address, "10.0.0.7");
  EXPECT_EQ(got->nodes[1].beat.reports, beat.nodes[1].beat.reports);
  EXPECT_THAT(got->same, ElementsAre("a", "sub/b"));
}

TEST(SiteBeat, GrowsByWhatANodeIsSaidToTake) {
  SiteBeat beat;
  beat.self.name = "edge-1";
  const std::size_t before = to_query(beat).size();

  beat.nodes = {node("n")};

  EXPECT_EQ(to_query(beat).size(), before + relayed_size(beat.nodes[0]));
}

TEST(SiteBeat, IsRefusedForNamesThatWouldNotBeSafeToShow) {
  EXPECT_FALSE(arrive("?name=").ok());
  EXPECT_FALSE(arrive("?name=edge&link_rate=x").ok());
  EXPECT_FALSE(arrive("?name=edge&same=..%2F%2Fa").ok());
  EXPECT_FALSE(arrive("?name=edge&same=a/b/c/d/e/f").ok());
  EXPECT_FALSE(arrive("?name=edge&node=n").ok());
  EXPECT_FALSE(arrive("?name=edge&node=n%2010%01%20%3Fname%3Dn").ok());
  EXPECT_FALSE(arrive("?name=edge&node=%3Cb%3E%2010.0.0.1%20%3Fname%3Dn").ok());
  EXPECT_TRUE(arrive("?name=edge&node=n%2010.0.0.1%20%3Fname%3Dn").ok());
}

TEST(SiteBeatAnswer, ArrivesAsItWasSaid) {
  const WarmOrder one{{digest("image"), WarmLevel::kTrace, true}, 5}, other{{digest("image"), WarmLevel::kFull}, 0};
  SiteBeatAnswer answer;
  answer.beat = std::chrono::milliseconds(1'500);
  answer.epoch = 77;
  answer.orders = {{"a", {one}}, {"sub/b", {one, other}}};

  const auto got = decode_site_beat_answer(encode(answer));

  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->beat, answer.beat);
  EXPECT_EQ(got->epoch, 77u);
  EXPECT_THAT(got->orders.at("a"), ElementsAre(one));
  EXPECT_THAT(got->orders.at("sub/b"), ::testing::UnorderedElementsAre(one, other));
}

TEST(SiteBeatAnswer, IsRefusedWhenItIsNone) {
  EXPECT_FALSE(decode_site_beat_answer("").ok());
  EXPECT_FALSE(decode_site_beat_answer("beat 1\n\n").ok());
  EXPECT_FALSE(decode_site_beat_answer("beat 1\nepoch 1\n\nnonsense").ok());
  EXPECT_FALSE(decode_site_beat_answer("beat 1\nepoch 1\n\n" + digest("x").to_string() + ",full 0 <b>").ok());
}

}  // namespace
}  // namespace samara::peer
