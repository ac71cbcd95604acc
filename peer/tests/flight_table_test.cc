#include "flight_table.h"

#include <gmock/gmock.h>

namespace samara::peer {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Digest kBlob = Digest::sha256({1});

cache_index::Chunk chunk(std::uint8_t number) {
  cache_index::Chunk chunk;
  chunk.digest = Digest::sha256({number});
  chunk.blob_offset = number * 100u;
  chunk.blob_size = 100;
  return chunk;
}

class FlightTableTest : public ::testing::Test {
 protected:
  FlightTable::Joined join(std::uint8_t number, FetchClass urgency) {
    return table_.join(chunk(number), kBlob, urgency,
                       [this](absl::StatusOr<ChunkBytes> result) { results_.push_back(result.status().code()); }, now_);
  }
  /// A flight that a worker has taken.
  FlightPtr taken(std::uint8_t number, FetchClass urgency) {
    FlightPtr flight = join(number, urgency).created;
    table_.enqueue(flight);
    EXPECT_TRUE(table_.next_task().has_value());
    return flight;
  }
  void tick_at(milliseconds after) {
    now_ = start_ + after;
    send(table_.tick(now_));
  }

  const TimePoint start_ = TimePoint() + std::chrono::hours(1);
  TimePoint now_ = start_;
  FlightTable table_{{.limits = {},
                      .read_deadline = milliseconds(10'000),
                      .hedge_after = milliseconds(20),
                      .sources = 1}};
  std::vector<absl::StatusCode> results_;
};

TEST_F(FlightTableTest, MakesOneFlightForAllWhoAsk) {
  const FlightPtr flight = join(1, FetchClass::kBlocking).created;
  ASSERT_NE(flight, nullptr);
  EXPECT_EQ(join(1, FetchClass::kReadahead).created, nullptr);

  send(table_.deliver(flight, std::make_shared<const std::string>("x")).replies);

  EXPECT_THAT(results_, ElementsAre(absl::StatusCode::kOk, absl::StatusCode::kOk));
}

TEST_F(FlightTableTest, GivesBytesThatAreJustBeingStored) {
  const FlightPtr flight = join(1, FetchClass::kBlocking).created;
  const auto bytes = std::make_shared<const std::string>("x");
  send(table_.deliver(flight, bytes).replies);

  EXPECT_EQ(join(1, FetchClass::kBlocking).bytes, bytes);
  table_.stored(flight);

  EXPECT_NE(join(1, FetchClass::kBlocking).created, nullptr);
}

TEST_F(FlightTableTest, TriesABlockingReadAgainAfterAPauseThatGrows) {
  const FlightPtr flight = taken(1, FetchClass::kBlocking);

  table_.give_up({flight}, absl::UnavailableError("off"), now_);
  tick_at(milliseconds(49));
  EXPECT_FALSE(flight->queued);
  tick_at(milliseconds(50));
  EXPECT_TRUE(flight->queued);
  ASSERT_TRUE(table_.next_task().has_value());
  table_.give_up({flight}, absl::UnavailableError("off"), now_);
  tick_at(milliseconds(149));
  EXPECT_FALSE(flight->queued);
  tick_at(milliseconds(150));

  EXPECT_TRUE(flight->queued);
  EXPECT_THAT(results_, ElementsAre());
}

TEST_F(FlightTableTest, DropsWhatNobodyIsBlockedOn) {
  const FlightPtr flight = taken(1, FetchClass::kReadahead);

  FlightTable::Dropped dropped = table_.give_up({flight}, absl::UnavailableError("off"), now_);
  send(std::move(dropped.replies));

  EXPECT_THAT(dropped.chunks, ElementsAre(FetchClass::kReadahead));
  EXPECT_THAT(results_, ElementsAre(absl::StatusCode::kUnavailable));
  EXPECT_NE(join(1, FetchClass::kReadahead).created, nullptr);
}

TEST_F(FlightTableTest, KeepsTryingWhenABlockedReaderJoined) {
  const FlightPtr flight = taken(1, FetchClass::kReadahead);
  join(1, FetchClass::kBlocking);

  const FlightTable::Dropped dropped = table_.give_up({flight}, absl::UnavailableError("off"), now_);

  EXPECT_TRUE(dropped.chunks.empty());
  EXPECT_THAT(results_, ElementsAre());
}

TEST_F(FlightTableTest, EndsAReadAtItsDeadlineAndSaysWhatWentWrongLast) {
  const FlightPtr flight = taken(1, FetchClass::kBlocking);
  table_.give_up({flight}, absl::UnavailableError("the plug is out"), now_);

  Replies early = table_.tick(start_ + milliseconds(9'999));
  Replies late = table_.tick(start_ + milliseconds(10'000));

  EXPECT_TRUE(early.empty());
  ASSERT_EQ(late.size(), 1u);
  EXPECT_TRUE(absl::IsDeadlineExceeded(late[0].result.status()));
  EXPECT_THAT(std::string(late[0].result.status().message()), HasSubstr("the plug is out"));
  table_.task_done(FetchClass::kBlocking);
  table_.wait_idle();  // nothing of it is left
}

TEST_F(FlightTableTest, AsksOnceMoreForABlockedReaderBehindALessUrgentRequest) {
  const std::vector<FlightPtr> run = table_.claim(std::vector{chunk(1), chunk(2)}, kBlob, FetchClass::kBackground, now_);
  ASSERT_EQ(run.size(), 2u);
  join(2, FetchClass::kBlocking);

  tick_at(milliseconds(19));
  EXPECT_FALSE(run[1]->queued);
  tick_at(milliseconds(20));

  EXPECT_TRUE(run[1]->queued);
  const auto task = table_.next_task();
  ASSERT_TRUE(task.has_value());
  EXPECT_EQ(task->urgency, FetchClass::kBlocking);
  EXPECT_THAT(task->run, ElementsAre(run[1]));
  tick_at(milliseconds(1000));
  EXPECT_FALSE(run[1]->queued);
}

TEST_F(FlightTableTest, WaitsForTheOtherRequestWhenOneOfTwoFails) {
  const std::vector<FlightPtr> run = table_.claim(std::vector{chunk(1)}, kBlob, FetchClass::kBackground, now_);
  join(1, FetchClass::kBlocking);
  tick_at(milliseconds(20));
  ASSERT_TRUE(table_.next_task().has_value());

  const FlightTable::Dropped dropped = table_.give_up(run, absl::UnavailableError("off"), now_);
  const FlightTable::Delivered delivered = table_.deliver(run[0], std::make_shared<const std::string>("x"));

  EXPECT_TRUE(dropped.chunks.empty());
  EXPECT_TRUE(delivered.first);
  EXPECT_EQ(delivered.replies.size(), 1u);
}

TEST_F(FlightTableTest, GivesOutTheQuickerOfTwoAnswersOnly) {
  const FlightPtr flight = taken(1, FetchClass::kBlocking);
  const auto bytes = std::make_shared<const std::string>("x");

  EXPECT_TRUE(table_.deliver(flight, bytes).first);

  EXPECT_FALSE(table_.deliver(flight, bytes).first);
}

TEST_F(FlightTableTest, ClaimsOnlyWhatNobodyIsAt) {
  join(2, FetchClass::kBlocking);

  const auto claimed = table_.claim(std::vector{chunk(1), chunk(2), chunk(3)}, kBlob, FetchClass::kBackground, now_);

  ASSERT_EQ(claimed.size(), 2u);
  EXPECT_THAT(table_.wanted(claimed, nullptr), ElementsAre(ElementsAre(claimed[0]), ElementsAre(claimed[1])));
}

TEST_F(FlightTableTest, CancelsEverybodyWhenItCloses) {
  join(1, FetchClass::kBlocking);
  join(2, FetchClass::kReadahead);

  send(table_.close());

  EXPECT_THAT(results_, ElementsAre(absl::StatusCode::kCancelled, absl::StatusCode::kCancelled));
  EXPECT_FALSE(table_.next_task().has_value());
  EXPECT_FALSE(table_.wait_for_tick());
  EXPECT_TRUE(join(3, FetchClass::kBlocking).refused.has_value());
}

}  // namespace
}  // namespace samara::peer
