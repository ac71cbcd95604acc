#include "peer/warm_protocol.h"

#include <gmock/gmock.h>

#include "base/file.h"
#include "cache_index/hasher.h"

namespace samara::peer {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

Digest digest(std::string_view text) { return cache_index::sha256(as_bytes(text)); }

absl::StatusOr<Heartbeat> arrive(const std::string& query) {
  const auto target = http::parse_target(std::string(kHeartbeatPath) + query);
  if (!target) return absl::InvalidArgumentError("no target");
  return heartbeat_from(*target);
}

TEST(Heartbeat, ArrivesAsItWasSaid) {
  Heartbeat beat;
  beat.name = "node-1.rack";
  beat.labels = {{"zone", "a"}, {"gpu", ""}};
  beat.disk_limit = 10;
  beat.reports.push_back({{digest("image"), WarmLevel::kTrace, true}, WarmReport::State::kFailed, 3, 9, "no room, 100% full\nreally"});

  const auto got = arrive(to_query(beat));

  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->name, "node-1.rack");
  EXPECT_THAT(got->labels, ElementsAre(Pair("gpu", ""), Pair("zone", "a")));
  ASSERT_EQ(got->reports.size(), 1u);
  EXPECT_EQ(got->reports[0].task, beat.reports[0].task);
  EXPECT_EQ(got->reports[0].error, "no room, 100% full really");
}

TEST(Heartbeat, LeavesOutReportsThatDontFitARequest) {
  Heartbeat beat;
  beat.name = "n";
  for (int i = 0; i < 1000; ++i)
    beat.reports.push_back({{digest(std::to_string(i)), WarmLevel::kFull}, WarmReport::State::kFailed, 0, 0, std::string(500, '%')});

  const std::string query = to_query(beat);

  EXPECT_LE(query.size(), kMaxHeartbeatBytes);
  ASSERT_TRUE(arrive(query).ok());
  EXPECT_GT(arrive(query)->reports.size(), 10u);
}

TEST(Heartbeat, IsRefusedForNamesThatWouldNotBeSafeToShow) {
  EXPECT_TRUE(absl::IsInvalidArgument(arrive("?name=").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(arrive("?name=a%0Ab").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(arrive("?name=a&label=x%3D%3Cb%3E").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(arrive("?name=a&disk_used=-1").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(arrive("?name=a&report=1,2").status()));
}

TEST(HeartbeatAnswer, ArrivesAsItWasSaid) {
  HeartbeatAnswer answer;
  answer.beat = std::chrono::milliseconds(1'500);
  answer.orders = {{{digest("a"), WarmLevel::kFull, false}, 1'800'000'000}, {{digest("b"), WarmLevel::kIndex, true}, 0}};

  const auto got = decode_heartbeat_answer(encode(answer));

  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->beat, answer.beat);
  EXPECT_EQ(got->orders, answer.orders);
  EXPECT_FALSE(decode_heartbeat_answer("beat 1000\n\nnonsense\n").ok());
}

TEST(WarmImage, ArrivesAsItWasSaid) {
  WarmImage image;
  image.name = "docker.io/library/python:3.12";
  image.digest = digest("manifest");
  image.manifest = "{\n\n}";
  image.config = std::string("\0\n\n", 3);
  image.layers.resize(2);
  image.layers[0].record = {digest("l"), digest("i"), digest("b"), 5, 6, 7};
  image.layers[0].diff_id = digest("d");
  image.layers[1].record.layer = digest("m");
  image.layers[1].diff_id = digest("e");

  const auto got = decode_warm_image(encode(image));

  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->manifest, image.manifest);
  EXPECT_EQ(got->config, image.config);
  ASSERT_EQ(got->layers.size(), 2u);
  EXPECT_EQ(got->layers[0].record.blob, digest("b"));
  EXPECT_TRUE(got->layers[0].converted());
  EXPECT_FALSE(got->layers[1].converted());
  EXPECT_FALSE(decode_warm_image(encode(image).substr(0, 40)).ok());
  EXPECT_FALSE(decode_warm_image(encode(image) + "x").ok());
}

}  // namespace
}  // namespace samara::peer
