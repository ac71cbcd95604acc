#include <gmock/gmock.h>

#include "base/file.h"
#include "cache_index/hasher.h"
#include "seed/jobs.h"
#include "seed/selector.h"

/// Warm jobs on nodes of sites below this one.
namespace samara::seed {
namespace {

using peer::WarmLevel;
using peer::WarmReport;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Key;
using ::testing::SizeIs;

Digest digest(std::string_view text) { return cache_index::sha256(as_bytes(text)); }

/// Sites "edge-1" and "edge-2" with a node "n" each, below the site "here".
class FarJobsTest : public ::testing::Test {
 protected:
  /// A site's heartbeat: its node's reports, and how much of the image is there.
  absl::Status hear(const std::string& site, std::vector<WarmReport> reports = {}, std::uint64_t has = 0) {
    peer::SiteBeat beat;
    beat.self.name = site;
    beat.self.reports.push_back({{image().digest, WarmLevel::kFull, true}, WarmReport::State::kVerified, has, 1000, ""});
    beat.link_rate = 10;
    beat.link_day = day_;
    beat.link_today = 100;
    peer::SiteBeat::Node node{"n", "10.1.0.1", {}};
    node.beat.name = "n";
    node.beat.labels = {{"zone", "a"}};
    beat.nodes.push_back(node);
    const absl::Status heard = fleet_.heard_site(beat, site == "edge-1" ? "10.0.0.1" : "10.0.0.2", "", now_);
    jobs_.heard(site + "/n", reports, now_);
    return heard;
  }

  static peer::WarmImage image() {
    peer::WarmImage image;
    image.name = "x";
    image.digest = digest("x");
    image.layers.resize(1);
    image.layers[0].record = {digest("layer"), digest("i"), digest("b"), 10, 990, 1000};
    return image;
  }

  std::string create(seconds deadline = seconds(0), bool plan = false) {
    WarmSpec spec;
    spec.images.push_back({.image = "x", .platform = {}, .level = WarmLevel::kFull, .nodes = {}, .sites = {}, .deadline = deadline});
    spec.plan = plan;
    const auto id = jobs_.create(spec, fleet_, now_);
    EXPECT_TRUE(id.ok()) << id.status();
    jobs_.resolved(id.value_or(""), 0, image(), now_);
    return id.value_or("");
  }

  /// The node lacks everything, its site all but `has`.
  void look(const std::string& site, std::uint64_t has = 0) {
    ASSERT_TRUE(hear(site, {{{image().digest, WarmLevel::kFull, true}, WarmReport::State::kVerified, 0, 1000, ""}}, has).ok());
  }
  void verify(const std::string& site) {
    ASSERT_TRUE(hear(site, {{{image().digest, WarmLevel::kFull}, WarmReport::State::kVerified, 1000, 1000, ""}}, 1000).ok());
  }
  void pass(seconds time) {
    now_ += time;
    jobs_.tick(fleet_, now_);
  }
  const Job& job(const std::string& id) { return *jobs_.find(id); }

  Time now_{seconds(1'800'000'000)};  // 08:00 UTC
  std::uint64_t day_ = 0;
  Fleet fleet_{{.site = "here"}};
  Jobs jobs_{{.rates = {}}};
};

TEST_F(FarJobsTest, OrdersForNodesBelowAreNamedBySiteAndNode) {
  ASSERT_TRUE(hear("edge-1").ok());
  ASSERT_TRUE(hear("edge-2").ok());
  const std::string id = create();

  EXPECT_THAT(job(id).images[0].items, ElementsAre(Key("edge-1/n"), Key("edge-2/n")));
  EXPECT_EQ(job(id).images[0].items.at("edge-2/n").site, "edge-2");
  EXPECT_THAT(jobs_.orders_for("edge-1/n"), SizeIs(1));
  look("edge-1");
  look("edge-2");
  pass(seconds(1));
  verify("edge-1");
  verify("edge-2");
  pass(seconds(1));

  EXPECT_EQ(job(id).state, Job::State::kDone);
}

TEST_F(FarJobsTest, APlanHasTheBytesAndTheTimeOfEachLink) {
  ASSERT_TRUE(hear("edge-1").ok());
  ASSERT_TRUE(hear("edge-2").ok());
  const std::string id = create({}, true);
  look("edge-1", 600);
  look("edge-2", 1000);
  pass(seconds(1));

  ASSERT_EQ(job(id).state, Job::State::kPlanned);
  const Estimate estimate = jobs_.estimate(job(id));
  EXPECT_EQ(estimate.links.at("edge-1").bytes, 400u);
  EXPECT_EQ(estimate.links.at("edge-1").seconds, 40u);
  EXPECT_EQ(estimate.links.at("edge-2").bytes, 0u) << "the site has it already";
  EXPECT_EQ(estimate.bound_by, "to edge-1");
  EXPECT_EQ(estimate.out_of_site, 400u) << "once for each site, and not for each node";
}

TEST_F(FarJobsTest, ADaysBudgetThatDoesntReachTakesUntilTheNextDays) {
  day_ = 400;  // 300 of it are left
  ASSERT_TRUE(hear("edge-1").ok());
  const std::string id = create({}, true);
  look("edge-1");
  pass(seconds(1));

  // 300 today, 400 tomorrow, 300 the day after.
  const std::uint64_t to_midnight = 24 * 3600 - 1'800'000'001 % (24 * 3600);
  EXPECT_EQ(jobs_.estimate(job(id)).links.at("edge-1").seconds, to_midnight + 24 * 3600);
}

TEST_F(FarJobsTest, ADeadlineThatTheLinkCantMeetIsRefused) {
  ASSERT_TRUE(hear("edge-1").ok());
  const std::string id = create(seconds(60));
  look("edge-1");
  pass(seconds(1));

  EXPECT_EQ(job(id).state, Job::State::kRefused);
  EXPECT_THAT(job(id).reason, HasSubstr("\"to edge-1\" needs 100 s"));
}

TEST_F(FarJobsTest, WaitsForASiteWhoseLinkIsCut) {
  ASSERT_TRUE(hear("edge-1").ok());
  const std::string id = create();
  look("edge-1");
  pass(seconds(1));
  pass(seconds(600));

  EXPECT_EQ(job(id).state, Job::State::kRunning);
  EXPECT_TRUE(job(id).images[0].items.at("edge-1/n").away);
  verify("edge-1");
  pass(seconds(1));
  EXPECT_EQ(job(id).state, Job::State::kDone);
}

TEST_F(FarJobsTest, DoesntWaitForANodeWhoseSiteIsHere) {
  ASSERT_TRUE(hear("edge-1").ok());
  const std::string id = create();
  look("edge-1");
  for (int i = 0; i < 20; ++i) {  // the site lives, and says nothing of the node
    pass(seconds(5));
    peer::SiteBeat beat;
    beat.self.name = "edge-1";
    ASSERT_TRUE(fleet_.heard_site(beat, "10.0.0.1", "", now_).ok());
  }

  EXPECT_EQ(job(id).state, Job::State::kFailed);
  EXPECT_THAT(job(id).images[0].items.at("edge-1/n").error, HasSubstr("not heard of"));
}

TEST_F(FarJobsTest, GivesUpAtTheEndOfItsLife) {
  ASSERT_TRUE(hear("edge-1").ok());
  const std::string id = create();
  look("edge-1");
  pass(seconds(1));
  pass(std::chrono::hours(2));
  pass(seconds(1));

  EXPECT_EQ(job(id).state, Job::State::kFailed);
}

TEST_F(FarJobsTest, TellsThatASiteIsCutBeforeAnyWork) {
  ASSERT_TRUE(hear("edge-1").ok());
  now_ += seconds(60);
  WarmSpec spec;
  spec.images.push_back({.image = "x", .platform = {}, .level = WarmLevel::kFull, .nodes = {}, .sites = {"edge-1"}, .deadline = {}});

  EXPECT_THAT(std::string(jobs_.create(spec, fleet_, now_).status().message()), HasSubstr("edge-1 isn't heard of"));
}

TEST_F(FarJobsTest, ANameBelongsToTheSiteThatLives) {
  ASSERT_TRUE(hear("edge-1").ok());
  peer::SiteBeat beat;
  beat.same = {"n"};
  beat.self.name = "here";
  EXPECT_TRUE(absl::IsAlreadyExists(fleet_.heard_site(beat, "10.0.0.9", "", now_))) << "this site's own";
  beat.self.name = "edge-1";
  EXPECT_TRUE(absl::IsAlreadyExists(fleet_.heard_site(beat, "10.0.0.9", "", now_)));
  now_ += seconds(60);
  EXPECT_TRUE(fleet_.heard_site(beat, "10.0.0.9", "", now_).ok()) << "its owner is away";
  EXPECT_TRUE(fleet_.is_here("edge-1/n", now_)) << "told to be the same";
}

TEST(FarSelector, MeansNodesBelowByTheirLastNameToo) {
  EXPECT_TRUE(Selector::parse("name=n")->matches("edge-1/n", {}));
  EXPECT_TRUE(Selector::parse("name=edge-1/*")->matches("edge-1/n", {}));
  EXPECT_FALSE(Selector::parse("name=m")->matches("edge-1/n", {}));
  EXPECT_FALSE(Selector::parse("name!=n")->matches("edge-1/n", {}));
}

}  // namespace
}  // namespace samara::seed
