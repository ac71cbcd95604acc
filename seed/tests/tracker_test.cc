#include "seed/tracker.h"

#include <gmock/gmock.h>

#include "base/text.h"
#include "fake_clock.h"

namespace samara::seed {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using std::chrono::seconds;

http::Target target(std::string_view query) {
  const auto parsed = http::parse_target(str_cat("/samara/v1/announce?", query));
  EXPECT_TRUE(parsed.has_value()) << query;
  return parsed.value_or(http::Target{});
}

const std::string kSwarm(20, 's');

TEST(ParseAnnounce, ReadsWhatATrackerNeeds) {
  const auto announce = parse_announce(
      target("info_hash=%00%01aaaaaaaaaaaaaaaaaa&port=7702&left=5&event=started&numwant=7&ip=9.9.9.9"), "10.0.0.1");

  ASSERT_TRUE(announce.ok()) << announce.status();
  EXPECT_EQ(announce->swarm, std::string("\0\1", 2) + std::string(18, 'a'));
  EXPECT_EQ(announce->address, std::string("\x0a\0\0\1", 4));  // not what it says of itself
  EXPECT_EQ(announce->port, 7702);
  EXPECT_EQ(announce->left, 5u);
  EXPECT_EQ(announce->event, Announce::Event::kStarted);
  EXPECT_EQ(announce->wanted, 7u);
}

TEST(ParseAnnounce, RefusesWhatIsNone) {
  const std::string good = "info_hash=aaaaaaaaaaaaaaaaaaaa";
  for (const std::string& wrong :
       {std::string("port=1&left=0"), good + "&left=0", good + "&port=0&left=0", good + "&port=65536&left=0",
        good + "&port=1&left=-1", good + "&port=1", good + "&port=1&left=0&numwant=-1",
        std::string("info_hash=short&port=1&left=0")}) {
    EXPECT_TRUE(absl::IsInvalidArgument(parse_announce(target(wrong), "10.0.0.1").status())) << wrong;
  }
  EXPECT_FALSE(parse_announce(target(good + "&port=1&left=0"), "not an address").ok());
}

class TrackerTest : public ::testing::Test {
 protected:
  void SetUp() override { tracker_.open(kSwarm); }

  std::string announce(const std::string& host, std::uint64_t left, const std::string& event = "", int port = 1000) {
    const auto parsed = parse_announce(
        target(str_cat("info_hash=", kSwarm, "&port=", port, "&left=", left, "&event=", event)), host);
    EXPECT_TRUE(parsed.ok()) << parsed.status();
    return tracker_.announce(*parsed).value();
  }
  static std::string peers(std::string_view endpoints) { return str_cat("5:peers", endpoints.size(), ":", endpoints); }

  FakeClock clock_;
  Tracker tracker_{clock_, {.max_peers = 100, .max_peers_of_address = 3, .max_answer = 5}};
};

TEST_F(TrackerTest, TellsNodesOfEachOther) {
  EXPECT_THAT(announce("10.0.0.1", 5), HasSubstr(peers("")));

  EXPECT_THAT(announce("10.0.0.2", 5), HasSubstr(peers(std::string("\x0a\0\0\1\x03\xe8", 6))));
}

TEST_F(TrackerTest, GivesIpv6PeersByThemselves) {
  announce("fd00::1", 5);

  const std::string answer = announce("10.0.0.2", 5);

  EXPECT_THAT(answer, HasSubstr(peers("")));
  EXPECT_THAT(answer, HasSubstr("6:peers618:" + std::string("\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\x03\xe8", 18)));
}

TEST_F(TrackerTest, DoesntSendThoseThatHaveAllToEachOther) {
  announce("10.0.0.1", 0);

  EXPECT_THAT(announce("10.0.0.2", 0), HasSubstr(peers("")));
  EXPECT_THAT(announce("10.0.0.3", 1), Not(HasSubstr(peers(""))));
}

TEST_F(TrackerTest, ForgetsWhoStopsOrFallsSilent) {
  announce("10.0.0.1", 5);
  announce("10.0.0.2", 5);
  announce("10.0.0.2", 5, "stopped");
  EXPECT_EQ(tracker_.counts(kSwarm).incomplete, 1u);

  clock_.advance(seconds(60));

  EXPECT_EQ(tracker_.counts(kSwarm).incomplete, 0u);
  EXPECT_THAT(announce("10.0.0.3", 5), HasSubstr(peers("")));
}

TEST_F(TrackerTest, AsksToHurryWhileAnybodyMissesSomething) {
  EXPECT_THAT(announce("10.0.0.1", 0), HasSubstr("8:intervali900e"));
  EXPECT_THAT(announce("10.0.0.2", 1), HasSubstr("8:intervali10e"));
  EXPECT_THAT(announce("10.0.0.1", 0), HasSubstr("8:intervali10e"));
  EXPECT_THAT(announce("10.0.0.2", 0, "completed"), HasSubstr("8:intervali900e"));
}

TEST_F(TrackerTest, CountsForScrapes) {
  announce("10.0.0.1", 0);
  announce("10.0.0.2", 1);
  announce("10.0.0.2", 0, "completed");
  announce("10.0.0.2", 0, "completed");  // again is not once more
  announce("10.0.0.3", 1);

  const std::string answer = tracker_.scrape({kSwarm, std::string_view("unknown"), kSwarm});

  EXPECT_EQ(answer, str_cat("d5:filesd20:", kSwarm, "d8:completei2e10:downloadedi1e10:incompletei1eeee"));
}

TEST_F(TrackerTest, AnswersAtMostSoManyPeers) {
  for (int i = 1; i <= 20; ++i) announce(str_cat("10.0.0.", i), 5);

  EXPECT_THAT(announce("10.0.1.1", 5), HasSubstr("5:peers30:"));
}

TEST_F(TrackerTest, KeepsAtMostSoManyPeersOfASwarmAndOfAnAddress) {
  for (int port = 1; port <= 10; ++port) announce("10.0.0.1", 5, "", port);
  EXPECT_EQ(tracker_.counts(kSwarm).incomplete, 3u);

  for (int i = 1; i <= 200; ++i) announce(str_cat("10.0.1.", i), 5);

  EXPECT_EQ(tracker_.counts(kSwarm).incomplete, 100u);
}

TEST_F(TrackerTest, TracksOnlyWhatWasOpened) {
  Announce announce;
  announce.swarm = std::string(20, 'x');
  announce.address = "1234";
  announce.port = 1;

  EXPECT_TRUE(absl::IsNotFound(tracker_.announce(announce).status()));
  tracker_.open(announce.swarm);
  EXPECT_TRUE(tracker_.announce(announce).ok());
  tracker_.close(announce.swarm);
  EXPECT_TRUE(absl::IsNotFound(tracker_.announce(announce).status()));
}

}  // namespace
}  // namespace samara::seed
