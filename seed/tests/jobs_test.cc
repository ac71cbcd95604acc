#include "seed/jobs.h"

#include <gmock/gmock.h>

#include "base/file.h"
#include "cache_index/hasher.h"

namespace samara::seed {
namespace {

using peer::WarmLevel;
using peer::WarmReport;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Digest digest(std::string_view text) { return cache_index::sha256(as_bytes(text)); }

/// Nodes that answer every order at once, unless told otherwise.
class JobsTest : public ::testing::Test {
 protected:
  void add_node(const std::string& name, std::uint64_t disk_limit = 0) {
    peer::Heartbeat beat;
    beat.name = name;
    beat.disk_limit = disk_limit;
    beat.labels = {{"zone", "a"}};
    ASSERT_TRUE(fleet_.heard(beat, "10.0.0.1", "", now_).ok());
  }

  static WarmSpec spec(const std::string& image, WarmLevel level = WarmLevel::kFull) {
    WarmSpec spec;
    spec.images.push_back({.image = image, .platform = {}, .level = level, .nodes = {}, .sites = {}, .deadline = {}});
    return spec;
  }

  /// One layer of 1000 bytes.
  static peer::WarmImage image(const std::string& name, bool converted = true) {
    peer::WarmImage image;
    image.name = name;
    image.digest = digest(name);
    image.layers.resize(1);
    image.layers[0].record.layer = digest("layer of " + name);
    image.layers[0].record.layer_size = 1000;
    if (converted) image.layers[0].record = {digest("layer of " + name), digest("i"), digest("b"), 10, 990, 1000};
    return image;
  }

  void resolve(const std::string& id, bool converted = true) {
    for (const Jobs::Work& work : jobs_.work())
      if (work.job == id && work.phase == WarmImageState::Phase::kResolving) jobs_.resolved(id, work.image, image(work.wish.image, converted), now_);
  }

  /// Every order of the node ends as `state`.
  void answer(const std::string& node, WarmReport::State state = WarmReport::State::kVerified, std::uint64_t done = 0, std::uint64_t total = 1000) {
    std::vector<WarmReport> reports;
    for (const peer::WarmOrder& order : jobs_.orders_for(node)) {
      const bool look = order.task.look;
      reports.push_back({order.task, look ? WarmReport::State::kVerified : state, look ? done : total, total, state == WarmReport::State::kFailed ? "disk full" : ""});
    }
    jobs_.heard(node, reports, now_);
  }

  void pass(seconds time) {
    now_ += time;
    jobs_.tick(fleet_, now_);
  }
  void all_live() {
    for (const auto& [name, node] : std::map(fleet_.nodes())) ASSERT_TRUE(fleet_.heard(node.last, node.address, "", now_).ok());
  }

  std::string create(WarmSpec spec) {
    const auto id = jobs_.create(std::move(spec), fleet_, now_);
    EXPECT_TRUE(id.ok()) << id.status();
    return id.value_or("");
  }
  Job::State state(const std::string& id) { return jobs_.find(id)->state; }
  const WarmItem& item(const std::string& id, const std::string& node) { return jobs_.find(id)->images[0].items.at(node); }

  /// To the end, on nodes that answer at once.
  void run_to_end(const std::string& id, const std::vector<std::string>& nodes) {
    resolve(id);
    for (int round = 0; round < 3; ++round) {
      for (const std::string& node : nodes) answer(node);
      pass(seconds(1));
    }
  }

  Time now_{seconds(1'800'000'000)};
  Fleet fleet_{{.site = "here"}};
  Jobs jobs_{{.rates = {.node = 100, .site = 0, .upstream = 0, .swarm = false}}};
};

TEST_F(JobsTest, IsDoneOnceEveryNodeHasVerified) {
  add_node("a");
  add_node("b");
  const std::string id = create(spec("x"));

  resolve(id);
  EXPECT_TRUE(jobs_.orders_for("a").at(0).task.look);
  answer("a");
  answer("b");
  pass(seconds(1));
  ASSERT_THAT(jobs_.orders_for("a"), SizeIs(1));
  EXPECT_FALSE(jobs_.orders_for("a")[0].task.look);
  answer("a");
  pass(seconds(1));
  EXPECT_EQ(state(id), Job::State::kRunning) << "b hasn't verified";
  answer("b");
  pass(seconds(1));

  EXPECT_EQ(state(id), Job::State::kDone);
  EXPECT_THAT(jobs_.orders_for("a"), IsEmpty());
  EXPECT_EQ(count(*jobs_.find(id)).verified, 2u);
}

TEST_F(JobsTest, TellsBeforeAnyWorkWhatCantBe) {
  add_node("a");

  EXPECT_TRUE(absl::IsInvalidArgument(jobs_.create({}, fleet_, now_).status()));
  WarmSpec elsewhere = spec("x");
  elsewhere.images[0].sites = {"moon"};
  EXPECT_THAT(std::string(jobs_.create(elsewhere, fleet_, now_).status().message()), HasSubstr("those that are: here"));
  WarmSpec nowhere = spec("x");
  nowhere.images[0].nodes = "zone=b";
  EXPECT_THAT(std::string(jobs_.create(nowhere, fleet_, now_).status().message()), HasSubstr("labels here: zone=a"));
  nowhere.images[0].nodes = "=";
  EXPECT_TRUE(absl::IsInvalidArgument(jobs_.create(nowhere, fleet_, now_).status()));
  EXPECT_THAT(jobs_.all(), IsEmpty());
}

TEST_F(JobsTest, AnImageThatIsntThereFailsWithTheRegistrysReason) {
  add_node("a");
  const std::string id = create(spec("x"));

  jobs_.resolved(id, 0, absl::NotFoundError("no such tag"), now_);
  pass(seconds(1));

  EXPECT_EQ(state(id), Job::State::kFailed);
  EXPECT_EQ(jobs_.find(id)->images[0].error, "no such tag");
  EXPECT_EQ(item(id, "a").error, "no such tag");
}

TEST_F(JobsTest, WaitsForTheConversion) {
  add_node("a");
  const std::string id = create(spec("x"));
  resolve(id, false);
  answer("a");
  pass(seconds(1));

  EXPECT_THAT(jobs_.orders_for("a"), IsEmpty());
  ASSERT_THAT(jobs_.work(), SizeIs(1));
  jobs_.converted(id, 0, image("x"), now_);

  EXPECT_THAT(jobs_.orders_for("a"), SizeIs(1));
}

TEST_F(JobsTest, APlanMovesNothing) {
  add_node("a");
  add_node("b");
  WarmSpec plan = spec("x");
  plan.plan = true;
  const std::string id = create(plan);
  resolve(id);
  answer("a", WarmReport::State::kVerified, 400);
  answer("b");
  pass(seconds(1));

  EXPECT_EQ(state(id), Job::State::kPlanned);
  const Estimate estimate = jobs_.estimate(*jobs_.find(id));
  EXPECT_EQ(estimate.to_nodes, 600u + 1000u);
  EXPECT_EQ(estimate.largest_node, 1000u);
  EXPECT_EQ(estimate.seconds, 10u);
  EXPECT_EQ(estimate.bound_by, "node");
  EXPECT_THAT(jobs_.orders_for("a"), IsEmpty());
}

TEST_F(JobsTest, ADeadlineThatCantBeMetIsRefusedBeforeAnythingMoves) {
  add_node("a");
  WarmSpec hasty = spec("x");
  hasty.images[0].deadline = seconds(5);  // 1000 bytes at 100 a second
  const std::string id = create(hasty);
  resolve(id);
  answer("a");
  pass(seconds(1));

  EXPECT_EQ(state(id), Job::State::kRefused);
  EXPECT_THAT(jobs_.find(id)->reason, HasSubstr("needs 10 s"));
  EXPECT_THAT(jobs_.orders_for("a"), IsEmpty());
}

TEST_F(JobsTest, ADeadlineThatPassesFailsWhatIsntVerified) {
  add_node("a");
  WarmSpec timely = spec("x");
  timely.images[0].deadline = seconds(15);
  const std::string id = create(timely);
  resolve(id);
  answer("a");
  pass(seconds(1));
  ASSERT_THAT(jobs_.orders_for("a"), SizeIs(1));

  pass(seconds(16));

  EXPECT_EQ(state(id), Job::State::kFailed);
  EXPECT_THAT(item(id, "a").error, HasSubstr("deadline of 15 s"));
}

TEST_F(JobsTest, ANodeWithoutRoomIsToldBeforeItFetches) {
  add_node("small", 1'000);
  add_node("large", 1'000'000);
  const std::string id = create(spec("x"));
  resolve(id);
  answer("small");
  answer("large");
  pass(seconds(1));

  EXPECT_EQ(item(id, "small").state, WarmItem::State::kFailed);
  EXPECT_THAT(item(id, "small").error, HasSubstr("raise [cache] quota"));
  EXPECT_THAT(jobs_.orders_for("small"), IsEmpty());
  answer("large");
  pass(seconds(1));
  EXPECT_EQ(state(id), Job::State::kFailed);
}

TEST_F(JobsTest, ANodeThatVanishesFailsAndGoesOnWhenItIsBack) {
  add_node("a");
  add_node("gone");
  const std::string id = create(spec("x"));
  resolve(id);
  answer("a");
  answer("gone");
  pass(seconds(1));
  answer("a");

  pass(seconds(70));
  EXPECT_EQ(item(id, "gone").state, WarmItem::State::kFailed);
  EXPECT_THAT(item(id, "gone").error, HasSubstr("not heard of for"));
  EXPECT_EQ(item(id, "a").state, WarmItem::State::kVerified);
  EXPECT_EQ(state(id), Job::State::kFailed);

  add_node("gone");
  pass(seconds(1));
  EXPECT_EQ(state(id), Job::State::kRunning);
  answer("gone");
  answer("gone");
  pass(seconds(1));
  answer("gone");
  pass(seconds(1));
  EXPECT_EQ(state(id), Job::State::kDone);
}

TEST_F(JobsTest, ANodeThatComesWithinTheJobsLifeIsWarmedToo) {
  add_node("a");
  const std::string id = create(spec("x"));
  run_to_end(id, {"a"});
  ASSERT_EQ(state(id), Job::State::kDone);

  add_node("late");
  pass(seconds(1));

  EXPECT_EQ(state(id), Job::State::kRunning);
  ASSERT_THAT(jobs_.orders_for("late"), SizeIs(1));
  answer("late");
  pass(seconds(1));
  EXPECT_EQ(state(id), Job::State::kDone);

  now_ += std::chrono::hours(2);
  add_node("too-late");
  pass(seconds(1));
  EXPECT_THAT(jobs_.orders_for("too-late"), IsEmpty());
}

TEST_F(JobsTest, TwoJobsShareTheWork) {
  add_node("a");
  const std::string one = create(spec("x"));
  WarmSpec longer = spec("x");
  longer.pin = std::chrono::hours(3);
  const std::string two = create(longer);
  ASSERT_NE(one, two);
  resolve(one);
  resolve(two);
  answer("a");
  pass(seconds(1));

  ASSERT_THAT(jobs_.orders_for("a"), SizeIs(1));
  EXPECT_GT(jobs_.orders_for("a")[0].pin_until, 0u);
  answer("a");
  pass(seconds(1));

  EXPECT_EQ(state(one), Job::State::kDone);
  EXPECT_EQ(state(two), Job::State::kDone);
}

TEST_F(JobsTest, TheSameAgainIsTheSameJob) {
  add_node("a");
  WarmSpec asked = spec("x");
  asked.request = "r1";
  const std::string id = create(asked);

  EXPECT_EQ(create(asked), id) << "by the request";
  asked.request = "r2";
  EXPECT_EQ(create(asked), id) << "it runs for the same wishes";
  run_to_end(id, {"a"});
  EXPECT_NE(create(asked), id) << "it is over";
}

TEST_F(JobsTest, CancelsResumesAndRetries) {
  add_node("a");
  const std::string id = create(spec("x"));
  resolve(id);
  answer("a");
  pass(seconds(1));

  ASSERT_TRUE(jobs_.cancel(id, now_).ok());
  EXPECT_THAT(jobs_.orders_for("a"), IsEmpty());
  EXPECT_TRUE(absl::IsFailedPrecondition(jobs_.cancel(id, now_)));
  ASSERT_TRUE(jobs_.resume(id, now_).ok());
  ASSERT_THAT(jobs_.orders_for("a"), SizeIs(1));

  answer("a", WarmReport::State::kFailed);
  pass(seconds(1));
  ASSERT_EQ(state(id), Job::State::kFailed);
  EXPECT_EQ(item(id, "a").error, "disk full");
  EXPECT_TRUE(absl::IsFailedPrecondition(jobs_.resume(id, now_)));
  ASSERT_TRUE(jobs_.retry(id, now_).ok());
  pass(seconds(1));
  answer("a");
  pass(seconds(1));
  EXPECT_EQ(state(id), Job::State::kDone);
  EXPECT_TRUE(absl::IsNotFound(jobs_.cancel("w99", now_)));
}

TEST_F(JobsTest, ForgetsTheOldestThatIsOver) {
  Jobs few({.rates = {}, .max_jobs = 2});
  add_node("a");
  const auto one = few.create(spec("1"), fleet_, now_);
  const auto two = few.create(spec("2"), fleet_, now_);
  ASSERT_TRUE(one.ok() && two.ok());

  EXPECT_TRUE(absl::IsResourceExhausted(few.create(spec("3"), fleet_, now_).status()));
  ASSERT_TRUE(few.cancel(*one, now_).ok());
  EXPECT_TRUE(few.create(spec("3"), fleet_, now_).ok());
  EXPECT_EQ(few.find(*one), nullptr);
}

TEST_F(JobsTest, ANodeThatDoesntSayWhatItLacksIsTakenToLackAll) {
  add_node("a");
  const std::string id = create(spec("x"));
  resolve(id);
  pass(seconds(5));
  EXPECT_EQ(jobs_.find(id)->images[0].phase, WarmImageState::Phase::kLooking);

  pass(seconds(6));

  EXPECT_EQ(jobs_.find(id)->images[0].phase, WarmImageState::Phase::kPlacing);
  EXPECT_EQ(item(id, "a").missing, 1000u);
}

}  // namespace
}  // namespace samara::seed
