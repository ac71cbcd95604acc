#include "read_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <optional>

#include "fake_chunk_reader.h"
#include "test_layer.h"

namespace samara::fuse_fs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint32_t kChunk = 64u << 10;

struct Answer {
  int replies = 0;
  std::string data;
  int error = 0;
};

class RecordingReply final : public ReadReply {
 public:
  explicit RecordingReply(Answer& answer) : answer_(answer) {}
  void data(std::span<const iovec> pieces) override {
    ++answer_.replies;
    for (const iovec& piece : pieces) answer_.data.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
  }
  void error(int error) override {
    ++answer_.replies;
    answer_.error = error;
  }

 private:
  Answer& answer_;
};

class ReadServiceTest : public testing::Test {
 protected:
  ReadServiceTest() : content_(pattern(10 * kChunk)) {
    layer_.file("file", content_);
    layer_.directory("dir");
    index_ = layer_.build(kChunk);
    chunks_.emplace(layer_.stream());
    service_.emplace(*chunks_, pages_, metrics_, slow_);
  }

  Answer& read(std::uint64_t offset, std::uint64_t size, std::string_view name = "file") {
    answers_.push_back(std::make_unique<Answer>());
    service_->read({.layer = index_, .file = {0, index_->lookup(1, name).value()}, .offset = offset, .size = size},
                   std::make_unique<RecordingReply>(*answers_.back()),
                   [this](std::uint64_t id) { waiting_.push_back(id); });
    return *answers_.back();
  }

  TestLayer layer_;
  std::string content_;
  peer::LayerIndex index_;
  Metrics registry_;
  MountMetrics metrics_{registry_};
  PageFiller pages_{[](std::uint64_t, std::uint64_t, std::string_view) {}};
  SlowReads slow_;
  std::optional<FakeChunkReader> chunks_;
  std::optional<ReadService> service_;
  std::vector<std::unique_ptr<Answer>> answers_;
  std::vector<std::uint64_t> waiting_;
};

TEST_F(ReadServiceTest, AnswersAtOnceWhatIsInMemory) {
  const Answer& answer = read(kChunk - 10, 20);

  EXPECT_EQ(answer.replies, 1);
  EXPECT_EQ(answer.data, content_.substr(kChunk - 10, 20));
  EXPECT_THAT(waiting_, IsEmpty());
  EXPECT_EQ(registry_.counter("samara_fuse_read_bytes_total", "").value(), 20);
}

TEST_F(ReadServiceTest, AnswersOnceWhenTheLastChunkComes) {
  chunks_->hold();
  const Answer& answer = read(100, 3 * kChunk);
  ASSERT_EQ(waiting_.size(), 1u);
  ASSERT_EQ(answer.replies, 0);

  chunks_->release();

  EXPECT_EQ(answer.replies, 1);
  EXPECT_EQ(answer.data, content_.substr(100, 3 * kChunk));
  EXPECT_EQ(service_->find(waiting_[0]), nullptr);
}

TEST_F(ReadServiceTest, AnswersEioOnceWhenChunksFail) {
  chunks_->hold();
  const Answer& answer = read(0, 3 * kChunk);

  chunks_->fail(absl::DataLossError("wrong bytes"));

  EXPECT_EQ(answer.replies, 1);
  EXPECT_EQ(answer.error, EIO);
  EXPECT_EQ(registry_.counter("samara_fuse_read_errors_total", "").value(), 1);
}

TEST_F(ReadServiceTest, AnswersEioAtOnceWhenTheReaderFailsAtOnce) {
  chunks_->fail_from_now_on(absl::UnavailableError("no source"));

  const Answer& answer = read(0, 10);

  EXPECT_EQ(answer.replies, 1);
  EXPECT_EQ(answer.error, EIO);
  EXPECT_THAT(waiting_, IsEmpty());
}

TEST_F(ReadServiceTest, IgnoresChunksThatComeAfterTheInterrupt) {
  chunks_->hold();
  const Answer& answer = read(0, 10);

  service_->find(waiting_.at(0))->cancel(EINTR);
  EXPECT_EQ(answer.error, EINTR);
  chunks_->release();

  EXPECT_EQ(answer.replies, 1);
  EXPECT_EQ(service_->waiting(), 0u);
  EXPECT_EQ(registry_.counter("samara_fuse_read_errors_total", "").value(), 0);
}

TEST_F(ReadServiceTest, DoesntAnswerWhileTheRequestIsStillBeingUsed) {
  chunks_->hold();
  Answer answer;
  int replies_inside = -1;

  service_->read({.layer = index_, .file = {0, index_->lookup(1, "file").value()}, .offset = 0, .size = 10},
                 std::make_unique<RecordingReply>(answer), [&](std::uint64_t id) {
                   service_->find(id)->cancel(EINTR);
                   chunks_->release();
                   replies_inside = answer.replies;
                 });

  EXPECT_EQ(replies_inside, 0);
  EXPECT_EQ(answer.replies, 1);
  EXPECT_EQ(answer.error, EINTR);
}

TEST_F(ReadServiceTest, EndsWhatWaitsWhenTheMountGoesAndSurvivesLateChunks) {
  chunks_->hold();
  const Answer& first = read(0, 10);
  const Answer& second = read(5 * kChunk, 2 * kChunk);

  service_->drain(ENODEV);
  service_.reset();
  chunks_->release();

  EXPECT_EQ(first.replies, 1);
  EXPECT_EQ(first.error, ENODEV);
  EXPECT_EQ(second.replies, 1);
}

TEST_F(ReadServiceTest, AnswersNothingPastTheEnd) {
  EXPECT_EQ(read(content_.size(), 4096).data, "");
  EXPECT_EQ(read(content_.size() - 3, 4096).data, content_.substr(content_.size() - 3));
  EXPECT_EQ(read(0, 0).replies, 1);
}

TEST_F(ReadServiceTest, RefusesToReadADirectory) { EXPECT_EQ(read(0, 10, "dir").error, EISDIR); }

TEST_F(ReadServiceTest, PrefetchesBehindReadsThatFollowEachOther) {
  read(0, kChunk);
  EXPECT_THAT(chunks_->prefetched(), IsEmpty());

  read(kChunk, kChunk);
  EXPECT_THAT(chunks_->prefetched(), ElementsAre(FakeChunkReader::Prefetched{2, 2}));
}

TEST_F(ReadServiceTest, PrefetchesNothingForReadsHereAndThere) {
  for (const std::uint64_t at : {8, 1, 5, 3, 7, 0}) read(at * kChunk, 4096);

  EXPECT_THAT(chunks_->prefetched(), IsEmpty());
}

TEST_F(ReadServiceTest, PrefetchesNothingPastTheFile) {
  read(8 * kChunk, kChunk / 2);
  read(8 * kChunk + kChunk / 2, kChunk / 2);
  EXPECT_THAT(chunks_->prefetched(), ElementsAre(FakeChunkReader::Prefetched{9, 1}));

  read(9 * kChunk, kChunk);
  EXPECT_EQ(chunks_->prefetched().size(), 1u);
}

}  // namespace
}  // namespace samara::fuse_fs
