#include "peer/chunk_fetcher.h"

#include <gmock/gmock.h>

#include "fetcher_fixture.h"
#include "full_cache.h"

namespace samara::peer {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(FetcherTest, FetchesAChunkGivesItOutAndKeepsIt) {
  start();

  const std::string bytes = text(read(3));
  fetcher_->wait_idle();

  EXPECT_EQ(bytes, expected(3));
  EXPECT_THAT(near_.requests(), ElementsAre(chunk(3).blob_range()));
  EXPECT_EQ(cache_->read_chunk(chunk(3)).value_or(""), expected(3));
  EXPECT_EQ(count("samara_chunks_total", {{"source", "near"}, {"class", "blocking"}}), 1);
  EXPECT_EQ(count("samara_fetched_bytes_total", {{"source", "near"}}), chunk(3).blob_size);
}

TEST_F(FetcherTest, AsksNobodyForWhatIsInMemoryOrInTheCache) {
  put_in_cache(1);
  start();

  const std::string from_cache = text(read(1));
  std::string from_memory;
  fetcher_->read(layer_, 1, FetchClass::kBlocking, [&](Result bytes) { from_memory = **bytes; });  // on this thread

  EXPECT_EQ(from_cache, expected(1));
  EXPECT_EQ(from_memory, expected(1));
  EXPECT_THAT(near_.requests(), IsEmpty());
  EXPECT_EQ(count("samara_chunks_total", {{"source", "cache"}, {"class", "blocking"}}), 1);
  EXPECT_EQ(count("samara_chunks_total", {{"source", "memory"}, {"class", "blocking"}}), 1);
}

TEST_F(FetcherTest, FetchesOnceHoweverManyAsk) {
  start();
  near_.holds(1);
  std::vector<std::future<Result>> reads;

  for (int i = 0; i < 8; ++i) reads.push_back(read(3, i % 2 == 0 ? FetchClass::kBlocking : FetchClass::kReadahead));
  near_.wait_for_requests(1);
  near_.release();

  for (auto& read : reads) EXPECT_EQ(text(std::move(read)), expected(3));
  EXPECT_EQ(near_.requests().size(), 1u);
}

TEST_F(FetcherTest, FetchesWaitingNeighboursInOneRequest) {
  start();
  near_.holds(2);
  auto first = read(0), second = read(7);  // both workers are busy now
  near_.wait_for_requests(2);

  auto three = read(3), five = read(5), four = read(4);
  near_.release();

  EXPECT_EQ(text(std::move(three)), expected(3));
  EXPECT_EQ(text(std::move(four)), expected(4));
  EXPECT_EQ(text(std::move(five)), expected(5));
  EXPECT_EQ(text(std::move(first)), expected(0));
  EXPECT_EQ(text(std::move(second)), expected(7));
  ASSERT_EQ(near_.requests().size(), 3u);
  EXPECT_EQ(near_.requests()[2], (ByteRange{chunk(3).blob_offset, chunk(5).blob_range().end}));
}

TEST_F(FetcherTest, GivesOutEachChunkOfARequestAsSoonAsItsFrameIsThere) {
  start();
  near_.holds(1, chunk(3).blob_size + 1);
  fetcher_->prefetch(layer_, 3, 2, FetchClass::kReadahead);
  near_.wait_for_requests(1);

  auto three = read(3, FetchClass::kReadahead), four = read(4, FetchClass::kReadahead);

  EXPECT_EQ(text(std::move(three)), expected(3));
  EXPECT_EQ(four.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  near_.release();

  EXPECT_EQ(text(std::move(four)), expected(4));
  EXPECT_EQ(near_.requests().size(), 1u);
}

TEST_F(FetcherTest, PrefetchesARangeIntoTheCacheWithoutWhatIsThere) {
  put_in_cache(2);
  start();

  fetcher_->prefetch(layer_, 0, 5, FetchClass::kBackground);
  fetcher_->wait_idle();

  EXPECT_THAT(near_.requests(), ElementsAre(ByteRange{0, chunk(1).blob_range().end},
                                            ByteRange{chunk(3).blob_offset, chunk(4).blob_range().end}));
  for (std::uint32_t i = 0; i < 5; ++i) EXPECT_EQ(cache_->read_chunk(chunk(i)).value_or(""), expected(i)) << i;
  EXPECT_FALSE(cache_->has_chunk(chunk(5).digest));
}

TEST_F(FetcherTest, PrefetchesUpToTheEndOfTheLayer) {
  start();

  fetcher_->prefetch(layer_, chunks() - 1, 1'000'000, FetchClass::kReadahead);
  fetcher_->prefetch(layer_, chunks(), 1, FetchClass::kReadahead);
  fetcher_->wait_idle();

  EXPECT_THAT(near_.requests(), ElementsAre(chunk(chunks() - 1).blob_range()));
}

TEST_F(FetcherTest, ServesBlockingReadsWhileLessUrgentOnesHang) {
  start();
  near_.holds(1);
  fetcher_->prefetch(layer_, 0, 2, FetchClass::kBackground);
  near_.wait_for_requests(1);

  const std::string bytes = text(read(6));

  EXPECT_EQ(bytes, expected(6));
  near_.release();
}

TEST_F(FetcherTest, AsksAgainForABlockingReadBehindAHangingLessUrgentRequest) {
  start();
  near_.holds(1);
  fetcher_->prefetch(layer_, 0, 4, FetchClass::kBackground);
  near_.wait_for_requests(1);

  const Result bytes = get_while_time_passes(read(2), milliseconds(5));

  ASSERT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_EQ(**bytes, expected(2));
  EXPECT_THAT(near_.requests(), ElementsAre(ByteRange{0, chunk(3).blob_range().end}, chunk(2).blob_range()));
  near_.release();
  fetcher_->wait_idle();
  EXPECT_EQ(cache_->read_chunk(chunk(3)).value_or(""), expected(3));
}

TEST_F(FetcherTest, TurnsToTheNextSourceWhenOneGivesWrongBytes) {
  near_.corrupts();
  start(*cache_, {&near_, &far_});

  const std::string bytes = text(read(3));
  fetcher_->wait_idle();

  EXPECT_EQ(bytes, expected(3));
  EXPECT_EQ(near_.requests().size(), 1u);
  EXPECT_EQ(far_.requests().size(), 1u);
  EXPECT_EQ(cache_->read_chunk(chunk(3)).value_or(""), expected(3));
  EXPECT_EQ(count("samara_verification_failures_total", {{"source", "near"}}), 1);
}

TEST_F(FetcherTest, KeepsTheRightChunksOfARequestInWhichOneIsWrong) {
  near_.corrupts();
  start(*cache_, {&near_, &far_});

  fetcher_->prefetch(layer_, 0, 3, FetchClass::kBackground);
  fetcher_->wait_idle();

  for (std::uint32_t i = 0; i < 3; ++i) EXPECT_EQ(cache_->read_chunk(chunk(i)).value_or(""), expected(i)) << i;
  ASSERT_EQ(far_.requests().size(), 1u);
  EXPECT_LT(far_.requests()[0].size(), near_.requests()[0].size());
}

TEST_F(FetcherTest, GivesDataLossWhenEverySourceIsWrongAndKeepsNothing) {
  near_.corrupts();
  far_.corrupts();
  start(*cache_, {&near_, &far_});

  const Result bytes = read(3).get();
  fetcher_->wait_idle();

  EXPECT_TRUE(absl::IsDataLoss(bytes.status())) << bytes.status();
  EXPECT_THAT(std::string(bytes.status().message()), HasSubstr(blob().to_string()));
  EXPECT_FALSE(cache_->has_chunk(chunk(3).digest));
}

TEST_F(FetcherTest, AsksASourceAnewForALaterRead) {
  near_.corrupts();
  start();
  ASSERT_FALSE(read(3).get().ok());

  near_.corrupts(false);

  EXPECT_EQ(text(read(3)), expected(3));
}

TEST_F(FetcherTest, AsksTheNextSourceOnlyForWhatTheFirstDidNotGive) {
  near_.fails(1, absl::UnavailableError("cable cut"), chunk(0).blob_size + 10);
  start(*cache_, {&near_, &far_});

  fetcher_->prefetch(layer_, 0, 3, FetchClass::kReadahead);
  fetcher_->wait_idle();

  EXPECT_THAT(far_.requests(), ElementsAre(ByteRange{chunk(1).blob_offset, chunk(2).blob_range().end}));
  for (std::uint32_t i = 0; i < 3; ++i) EXPECT_TRUE(cache_->has_chunk(chunk(i).digest)) << i;
}

TEST_F(FetcherTest, RetriesABlockingReadUntilASourceIsBack) {
  near_.fails(3);
  start();

  const Result bytes = get_while_time_passes(read(3), milliseconds(5));

  ASSERT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_EQ(**bytes, expected(3));
  EXPECT_EQ(near_.requests().size(), 4u);
}

TEST_F(FetcherTest, EndsABlockingReadThatNobodyAnswersAtItsDeadline) {
  near_.fails(1'000'000, absl::UnavailableError("the site is asleep"));
  start();

  const Result bytes = get_while_time_passes(read(3), milliseconds(1'000));
  fetcher_->wait_idle();

  EXPECT_TRUE(absl::IsDeadlineExceeded(bytes.status())) << bytes.status();
  EXPECT_THAT(std::string(bytes.status().message()), HasSubstr("the site is asleep"));
}

TEST_F(FetcherTest, EndsABlockingReadAtItsDeadlineWhileASourceHangs) {
  near_.holds(1);
  start();

  const Result bytes = get_while_time_passes(read(3), milliseconds(1'000));
  near_.release();
  fetcher_->wait_idle();

  EXPECT_TRUE(absl::IsDeadlineExceeded(bytes.status())) << bytes.status();
  EXPECT_TRUE(cache_->has_chunk(chunk(3).digest));
}

TEST_F(FetcherTest, DropsLessUrgentReadsAndPrefetchesThatFailAndCountsThem) {
  near_.fails(2);
  start();

  const Result bytes = read(3, FetchClass::kReadahead).get();
  fetcher_->prefetch(layer_, 5, 2, FetchClass::kBackground);
  fetcher_->wait_idle();

  EXPECT_TRUE(absl::IsUnavailable(bytes.status())) << bytes.status();
  EXPECT_EQ(near_.requests().size(), 2u);
  EXPECT_EQ(count("samara_fetch_dropped_chunks_total", {{"class", "readahead"}}), 1);
  EXPECT_EQ(count("samara_fetch_dropped_chunks_total", {{"class", "background"}}), 2);
}

TEST_F(FetcherTest, CancelsReadsThatAreUnderWayOrQueuedWhenItGoes) {
  start();
  near_.holds(100);
  std::vector<std::future<Result>> reads;
  for (std::uint32_t i = 0; i < chunks(); i += 2) reads.push_back(read(i, i < 4 ? FetchClass::kBlocking : FetchClass::kReadahead));
  fetcher_->prefetch(layer_, 0, chunks(), FetchClass::kBackground);
  near_.wait_for_requests(2);

  fetcher_.reset();

  for (auto& read : reads) EXPECT_TRUE(absl::IsCancelled(read.get().status()));
}

TEST_F(FetcherTest, GivesOutChunksThatAFullDiskCannotStore) {
  FullCache full(*cache_);
  start(full, {&near_});

  const std::string first = text(read(3)), again = text(read(3));
  fetcher_->prefetch(layer_, 0, 2, FetchClass::kReadahead);
  fetcher_->wait_idle();
  const std::string read_ahead = text(read(1));

  EXPECT_EQ(first, expected(3));
  EXPECT_EQ(again, expected(3));
  EXPECT_EQ(read_ahead, expected(1));
  EXPECT_EQ(near_.requests().size(), 2u);
  EXPECT_EQ(count("samara_chunks_not_stored_total", {}), 3);
}

TEST_F(FetcherTest, FetchesAgainWhatWasAlteredInTheCache) {
  put_in_cache(3);
  {
    const auto file = open_file(cache_->object_path(blob()), 2 /* O_RDWR */);
    const std::string wrong(16, '!');
    ASSERT_TRUE(pwrite_all(file->get(), as_bytes(wrong), chunk(3).blob_offset + chunk(3).blob_size / 2).ok());
  }
  start();

  const std::string bytes = text(read(3));
  fetcher_->wait_idle();

  EXPECT_EQ(bytes, expected(3));
  EXPECT_EQ(near_.requests().size(), 1u);
  EXPECT_EQ(cache_->read_chunk(chunk(3)).value_or(""), expected(3));
}

TEST_F(FetcherTest, KnowsNoChunkPastTheEnd) {
  start();

  EXPECT_TRUE(absl::IsOutOfRange(read(chunks()).get().status()));
}

TEST_F(FetcherTest, SaysHowLongNoBlockingReadWasFetched) {
  start();
  clock_.advance(milliseconds(300));
  EXPECT_EQ(fetcher_->since_blocking_fetch(), milliseconds(300));
  near_.holds(1);

  auto pending = read(3);
  near_.wait_for_requests(1);
  EXPECT_EQ(fetcher_->since_blocking_fetch(), milliseconds(0));
  near_.release();
  ASSERT_EQ(text(std::move(pending)), expected(3));
  clock_.advance(milliseconds(40));

  EXPECT_EQ(fetcher_->since_blocking_fetch(), milliseconds(40));
}

TEST_F(FetcherTest, GivesManyReadersAtOnceTheRightBytes) {
  memory_bytes_ = 1u << 20;  // so that chunks come from everywhere
  near_.corrupts();
  start(*cache_, {&near_, &far_}, 8);
  std::vector<std::thread> readers;
  std::atomic<int> right{0};

  for (std::uint32_t reader = 0; reader < 4; ++reader) {
    readers.emplace_back([&, reader] {
      for (std::uint32_t i = 0; i < 3 * chunks(); ++i) {
        const std::uint32_t position = (i * (2 * reader + 1)) % chunks();
        if (i % 5 == 0) fetcher_->prefetch(layer_, position, 3, FetchClass::kReadahead);
        if (text(read(position)) == expected(position)) ++right;
      }
    });
  }
  for (std::thread& reader : readers) reader.join();
  fetcher_->wait_idle();

  EXPECT_EQ(right, static_cast<int>(4 * 3 * chunks()));
}

}  // namespace
}  // namespace samara::peer
