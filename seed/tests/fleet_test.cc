#include "seed/fleet.h"

#include <gmock/gmock.h>

#include "seed/selector.h"

namespace samara::seed {
namespace {

using std::chrono::seconds;

peer::Heartbeat beat_of(const std::string& name, std::map<std::string, std::string> labels = {}) {
  peer::Heartbeat beat;
  beat.name = name;
  beat.labels = std::move(labels);
  return beat;
}

constexpr Time kNow = Time(seconds(1'800'000'000));

TEST(Fleet, CountsANodeAsAwayOnceItIsSilent) {
  Fleet fleet({.site = "edge"});
  ASSERT_TRUE(fleet.heard(beat_of("a"), "10.0.0.1", "", kNow).ok());
  ASSERT_TRUE(fleet.heard(beat_of("b"), "10.0.0.2", "", kNow + seconds(15)).ok());

  const Time later = kNow + seconds(25);

  EXPECT_FALSE(fleet.is_here("a", later));
  EXPECT_TRUE(fleet.is_here("b", later));
  EXPECT_EQ(fleet.sites(later).at("edge").nodes, 2u);
  EXPECT_EQ(fleet.sites(later).at("edge").away, 1u);
}

TEST(Fleet, SumsUpHowContainersStart) {
  Fleet fleet({.site = "edge"});
  for (const std::uint64_t node : {1, 2, 3}) {
    peer::Heartbeat beat = beat_of(std::to_string(node));
    beat.starts = node;
    beat.start_ms = 100 * node;
    beat.longest_start_ms = 1'000 * node;
    beat.slowest_read_ms = 10 * node;
    ASSERT_TRUE(fleet.heard(beat, "10.0.0.1", "", kNow).ok());
  }
  ASSERT_TRUE(fleet.heard(beat_of("idle"), "10.0.0.1", "", kNow).ok());

  const Fleet::Site site = fleet.sites(kNow).at("edge");

  EXPECT_EQ(site.starts, 6u);
  EXPECT_EQ(site.start_ms, 200u) << "of the nodes that have started something";
  EXPECT_EQ(site.longest_start_ms, 3'000u);
  EXPECT_EQ(site.slowest_read_ms, 30u);
}

TEST(Fleet, LeavesANameToItsFirstUserWhileThatLives) {
  Fleet fleet({});
  ASSERT_TRUE(fleet.heard(beat_of("a"), "10.0.0.1", "ci", kNow).ok());

  EXPECT_TRUE(absl::IsAlreadyExists(fleet.heard(beat_of("a"), "10.0.0.2", "ci", kNow + seconds(5))));
  EXPECT_TRUE(absl::IsAlreadyExists(fleet.heard(beat_of("a"), "10.0.0.1", "other", kNow + seconds(5))));
  EXPECT_TRUE(fleet.heard(beat_of("a"), "10.0.0.2", "ci", kNow + seconds(60)).ok()) << "its owner is away";
}

TEST(Fleet, KeepsNoMoreNodesThanItMay) {
  Fleet fleet({.max_nodes = 2});
  ASSERT_TRUE(fleet.heard(beat_of("a"), "1", "", kNow).ok());
  ASSERT_TRUE(fleet.heard(beat_of("b"), "1", "", kNow).ok());

  EXPECT_TRUE(absl::IsResourceExhausted(fleet.heard(beat_of("c"), "1", "", kNow)));
  fleet.sweep(kNow + std::chrono::hours(25));
  EXPECT_TRUE(fleet.heard(beat_of("c"), "1", "", kNow + std::chrono::hours(25)).ok());
}

TEST(Fleet, HasAnotherVersionOnlyWhenWhoIsMeantCanChange) {
  Fleet fleet({});
  ASSERT_TRUE(fleet.heard(beat_of("a", {{"zone", "x"}}), "1", "", kNow).ok());
  const std::uint64_t version = fleet.version();

  ASSERT_TRUE(fleet.heard(beat_of("a", {{"zone", "x"}}), "1", "", kNow + seconds(1)).ok());
  EXPECT_EQ(fleet.version(), version);
  ASSERT_TRUE(fleet.heard(beat_of("a", {{"zone", "y"}}), "1", "", kNow + seconds(2)).ok());
  EXPECT_NE(fleet.version(), version);
}

TEST(Selector, MeansNodesThatFulfilEveryTerm) {
  const std::map<std::string, std::string> labels = {{"zone", "a"}, {"gpu", ""}};
  const auto means = [&](std::string_view text) {
    const auto selector = Selector::parse(text);
    return selector.ok() && selector->matches("node-7", labels);
  };

  for (const char* text : {"", "all", "zone=a", "zone=a,gpu", "zone=b|a", "zone!=b", "!spot", "name=node-*", "name=*7", "rack!=1", "zone=*"})
    EXPECT_TRUE(means(text)) << text;
  for (const char* text : {"zone=b", "spot", "!gpu", "zone!=a", "name=node", "zone=a,spot"}) EXPECT_FALSE(means(text)) << text;
  for (const char* text : {",", "=a", "!", "zone=a,"}) EXPECT_FALSE(Selector::parse(text).ok()) << text;
}

TEST(Selector, TakesNoLongerForManyStars) {
  EXPECT_FALSE(fits(std::string(200, '*') + "b", std::string(5'000, 'a')));
  EXPECT_TRUE(fits("*a*b*", "xxaxxbxx"));
}

}  // namespace
}  // namespace samara::seed
