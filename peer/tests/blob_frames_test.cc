#include "peer/blob_frames.h"

#include "fetcher_fixture.h"

namespace samara::peer {
namespace {

class BlobFramesTest : public FetcherTest {
 protected:
  void SetUp() override {
    FetcherTest::SetUp();
    auto frames = BlobFrames::of(layer_);
    ASSERT_TRUE(frames.ok()) << frames.status();
    frames_ = *std::move(frames);
  }
  std::shared_ptr<const BlobFrames> frames_;
};

/// A client that takes everything.
class Answer final : public http::ResponseWriter {
 public:
  void header(std::string_view, std::string_view) override {}
  absl::Status respond(int, std::string_view, std::string_view) override { return absl::OkStatus(); }
  absl::Status begin(int, std::uint64_t) override {
    started_ = true;
    return absl::OkStatus();
  }
  absl::Status write(std::span<const std::uint8_t> data) override {
    body += as_text(data);
    return absl::OkStatus();
  }
  absl::Status write_file(int, std::uint64_t, std::uint64_t) override { return absl::OkStatus(); }
  bool is_head() const override { return false; }
  bool started() const override { return started_; }

  std::string body;

 private:
  bool started_ = false;
};

TEST_F(BlobFramesTest, KnowTheFewestFramesThatHoldARange) {
  const std::uint64_t second = chunk(1).blob_offset, third = chunk(2).blob_offset;

  const auto within = frames_->holding({second + 1, second + 2});
  const auto across = frames_->holding({second - 1, second + 1});

  ASSERT_TRUE(within.ok() && across.ok());
  EXPECT_EQ(within->chunks, std::vector<std::uint32_t>{1});
  EXPECT_EQ(within->bytes, (ByteRange{second, third}));
  EXPECT_EQ(across->chunks, (std::vector<std::uint32_t>{0, 1}));
  EXPECT_EQ(frames_->holding({0, frames_->blob_size()})->chunks, frames_->all());
  EXPECT_TRUE(absl::IsOutOfRange(frames_->holding({0, frames_->blob_size() + 1}).status()));
}

TEST_F(BlobFramesTest, GiveAnyRangeWhileItComes) {
  start();
  const ByteRange range{12'345, blob_bytes_.size() - 54'321};
  Answer answer;
  std::uint64_t given = 0;

  const absl::Status status = give_range(*fetcher_, *frames_, range,
                                         {.patience = std::chrono::seconds(60),
                                          .begin = [&] { return answer.begin(206, range.size()); },
                                          .given = [&](std::uint64_t bytes) { given += bytes; }},
                                         answer);

  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(answer.body, blob_bytes_.substr(range.begin, range.size()));
  EXPECT_EQ(given, range.size());
}

TEST_F(BlobFramesTest, DoNotWaitForAFrameWithoutASeat) {
  near_.holds(1'000);
  start();
  Seats seats(1);
  const auto taken = seats.take(chunk(0).digest);
  Answer answer;

  const absl::Status status = give_range(*fetcher_, *frames_, {0, 10},
                                         {.patience = std::chrono::seconds(60),
                                          .seats = &seats,
                                          .begin = [&] { return answer.begin(206, 10); },
                                          .given = nullptr},
                                         answer);

  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_FALSE(answer.started());
  near_.release();
}

TEST_F(BlobFramesTest, BeginNoAnswerWhoseFirstFrameDoesNotCome) {
  near_.fails(1'000);
  start();
  Answer answer;

  const absl::Status status = give_range(*fetcher_, *frames_, {0, 10},
                                         {.urgency = FetchClass::kBackground,
                                          .patience = std::chrono::seconds(60),
                                          .begin = [&] { return answer.begin(206, 10); },
                                          .given = nullptr},
                                         answer);

  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_FALSE(answer.started());
}

}  // namespace
}  // namespace samara::peer
