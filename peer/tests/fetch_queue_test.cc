#include "fetch_queue.h"

#include <gmock/gmock.h>

namespace samara::peer {
namespace {

using ::testing::ElementsAre;

const Digest kBlob = Digest::sha256({1}), kOtherBlob = Digest::sha256({2});

/// The flight of a chunk of 100 bytes at place `number` of a blob.
FlightPtr flight(std::uint8_t number, FetchClass urgency, const Digest& blob = kBlob) {
  cache_index::Chunk chunk;
  chunk.digest = Digest::sha256({number, blob.bytes()[0]});
  chunk.blob_offset = number * 100u;
  chunk.blob_size = 100;
  return std::make_shared<Flight>(chunk, blob, urgency, TimePoint());
}

/// The places of a task's chunks.
std::vector<unsigned> places(const std::optional<FetchTask>& task) {
  std::vector<unsigned> places;
  if (!task) return places;
  for (const FlightPtr& flight : task->run) places.push_back(static_cast<unsigned>(flight->chunk.blob_offset / 100));
  return places;
}

class FetchQueueTest : public ::testing::Test {
 protected:
  FlightPtr push(std::uint8_t number, FetchClass urgency, const Digest& blob = kBlob) {
    FlightPtr pushed = flight(number, urgency, blob);
    queue_.push(pushed);
    return pushed;
  }

  FetchQueue queue_{{.workers = 8, .background_workers = 2, .max_request_bytes = 1000}};
};

TEST_F(FetchQueueTest, GivesTheMostUrgentFirstWhateverCameFirst) {
  push(10, FetchClass::kBackground);
  push(20, FetchClass::kReadahead);
  push(30, FetchClass::kTrace);
  push(40, FetchClass::kBlocking);
  push(50, FetchClass::kBlocking);

  EXPECT_THAT(places(queue_.take()), ElementsAre(40));
  EXPECT_THAT(places(queue_.take()), ElementsAre(50));
  EXPECT_THAT(places(queue_.take()), ElementsAre(30));
  EXPECT_THAT(places(queue_.take()), ElementsAre(20));
  EXPECT_THAT(places(queue_.take()), ElementsAre(10));
  EXPECT_FALSE(queue_.take().has_value());
}

TEST_F(FetchQueueTest, LetsBlobsTakeTurnsWhenSomebodyWaits) {
  for (const std::uint8_t number : {10, 20, 30, 40}) push(number, FetchClass::kBlocking);
  for (const std::uint8_t number : {11, 21}) push(number, FetchClass::kBlocking, kOtherBlob);
  push(12, FetchClass::kBlocking, Digest::sha256({3}));

  std::vector<unsigned> order;
  while (const auto task = queue_.take()) order.push_back(places(task).at(0));

  EXPECT_THAT(order, ElementsAre(10, 11, 12, 20, 21, 30, 40));
}

TEST_F(FetchQueueTest, MovesUpWhatIsAskedForMoreUrgently) {
  push(10, FetchClass::kReadahead);
  const FlightPtr raised = push(20, FetchClass::kBackground);

  queue_.raise(raised, FetchClass::kBlocking);

  EXPECT_THAT(places(queue_.take()), ElementsAre(20));
  EXPECT_THAT(places(queue_.take()), ElementsAre(10));
  EXPECT_FALSE(queue_.take().has_value());
}

TEST_F(FetchQueueTest, NeverMovesDown) {
  const FlightPtr urgent = push(10, FetchClass::kBlocking);

  queue_.raise(urgent, FetchClass::kBackground);

  EXPECT_EQ(urgent->urgency, FetchClass::kBlocking);
}

TEST_F(FetchQueueTest, TakesNeighboursOfAClassTogetherInTheOrderOfTheBlob) {
  push(5, FetchClass::kBlocking);
  push(9, FetchClass::kBlocking);
  push(6, FetchClass::kBlocking);
  push(4, FetchClass::kBlocking);
  push(7, FetchClass::kReadahead);
  push(3, FetchClass::kBlocking, kOtherBlob);

  EXPECT_THAT(places(queue_.take()), ElementsAre(4, 5, 6));
  EXPECT_THAT(places(queue_.take()), ElementsAre(3));  // the other blob's turn
  EXPECT_THAT(places(queue_.take()), ElementsAre(9));
  EXPECT_THAT(places(queue_.take()), ElementsAre(7));
  EXPECT_EQ(queue_.waiting_chunks(), 0u);
}

TEST_F(FetchQueueTest, TakesNoMoreThanARequestMayHold) {
  for (std::uint8_t i = 0; i < 12; ++i) push(i, FetchClass::kReadahead);

  EXPECT_EQ(places(queue_.take()).size(), 10u);
  EXPECT_THAT(places(queue_.take()), ElementsAre(10, 11));
}

TEST_F(FetchQueueTest, PassesOverWhatWasTakenAlreadyOrRemoved) {
  push(1, FetchClass::kBlocking);
  push(2, FetchClass::kBlocking);
  const FlightPtr removed = push(7, FetchClass::kBlocking);
  queue_.remove(removed);
  ASSERT_THAT(places(queue_.take()), ElementsAre(1, 2));

  EXPECT_FALSE(queue_.take().has_value());
}

TEST_F(FetchQueueTest, TakesAgainWhatIsPushedAgain) {
  const FlightPtr retried = push(1, FetchClass::kBlocking);
  ASSERT_TRUE(queue_.take().has_value());

  queue_.push(retried);

  EXPECT_THAT(places(queue_.take()), ElementsAre(1));
}

TEST_F(FetchQueueTest, KeepsAWorkerForBlockingReads) {
  for (std::uint8_t i = 0; i < 20; i += 2) push(i, FetchClass::kReadahead);
  for (int i = 0; i < 7; ++i) ASSERT_TRUE(queue_.take().has_value());

  EXPECT_FALSE(queue_.take().has_value());
  push(50, FetchClass::kBlocking);
  EXPECT_THAT(places(queue_.take()), ElementsAre(50));
  queue_.finished(FetchClass::kReadahead);
  EXPECT_TRUE(queue_.take().has_value());
}

TEST_F(FetchQueueTest, LimitsBackgroundTasks) {
  for (std::uint8_t i = 0; i < 10; i += 2) push(i, FetchClass::kBackground);
  ASSERT_TRUE(queue_.take().has_value());
  ASSERT_TRUE(queue_.take().has_value());

  EXPECT_FALSE(queue_.take().has_value());
  push(50, FetchClass::kReadahead);
  EXPECT_THAT(places(queue_.take()), ElementsAre(50));
}

TEST_F(FetchQueueTest, GivesPiecesOfALayerStepByStep) {
  queue_.push_piece({.layer = nullptr, .begin = 0, .end = 100}, FetchClass::kReadahead);
  ASSERT_EQ(queue_.waiting_chunks(), 100u);

  const auto first = queue_.take(), second = queue_.take();

  ASSERT_TRUE(first && first->piece && second && second->piece);
  EXPECT_EQ(first->piece->begin, 0u);
  EXPECT_EQ(first->piece->end, second->piece->begin);
  EXPECT_EQ(second->piece->end, 100u);
  EXPECT_FALSE(queue_.take().has_value());
}

TEST_F(FetchQueueTest, GivesWhatCameBackBeforeTheRest) {
  queue_.push_piece({.layer = nullptr, .begin = 0, .end = 100}, FetchClass::kReadahead);
  auto taken = queue_.take();
  ASSERT_TRUE(taken && taken->piece);
  taken->piece->begin += 10;

  queue_.give_back(*taken->piece, FetchClass::kReadahead);

  EXPECT_EQ(queue_.waiting_chunks(), 90u);
  EXPECT_EQ(queue_.take()->piece->begin, 10u);
}

TEST_F(FetchQueueTest, ForgetsThePiecesOfOneClass) {
  queue_.push_piece({.layer = nullptr, .begin = 0, .end = 100}, FetchClass::kBackground);
  queue_.push_piece({.layer = nullptr, .begin = 0, .end = 5}, FetchClass::kTrace);
  push(1, FetchClass::kBackground);

  EXPECT_EQ(queue_.drop_pieces(FetchClass::kBackground), 100u);

  EXPECT_EQ(queue_.waiting_chunks(), 6u);
}

TEST_F(FetchQueueTest, IsIdleWhenNothingWaitsOrRuns) {
  EXPECT_TRUE(queue_.idle());
  push(1, FetchClass::kTrace);
  EXPECT_FALSE(queue_.idle());
  ASSERT_TRUE(queue_.take().has_value());
  EXPECT_FALSE(queue_.idle());

  queue_.finished(FetchClass::kTrace);

  EXPECT_TRUE(queue_.idle());
}

}  // namespace
}  // namespace samara::peer
