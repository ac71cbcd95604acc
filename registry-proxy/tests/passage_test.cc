// Blobs that are passed on without being kept.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "cache_index/hasher.h"
#include "checked_passage.h"
#include "resumes.h"
#include "retry_after.h"
#include "site_fixture.h"

namespace samara::registry_proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::Optional;

constexpr std::uint64_t kMiB = 1u << 20;

// A site that keeps nothing: its only download hangs.
class PassageTest : public ::testing::Test {
 protected:
  PassageTest() : site_(settings()) {
    const Digest first = site_.upstream.add_blob("first");
    site_.upstream.hang(first.to_string());
    hanging_.emplace(*site_.blobs.open({site_.repository(), first, std::nullopt}));
  }
  static SiteFixture::Settings settings() {
    auto settings = SiteFixture::never_converting();
    settings.blobs.max_fills = 1;
    return settings;
  }
  SiteFixture site_;
  std::optional<Blobs::Opened> hanging_;
};

TEST_F(PassageTest, ResumesWhereATransferBroke) {
  const std::string content = numbers(kMiB);
  const Digest blob = site_.upstream.add_blob(content);
  site_.upstream.cut_blob(blob, kMiB / 4, 3);  // the first is the question for its size

  EXPECT_EQ(site_.blob(blob).body, content);
  EXPECT_EQ(site_.upstream.seen_headers(blob.to_string(), "Range"),
            (std::vector<std::string>{"", "bytes=0-1048575", "bytes=262144-1048575", "bytes=524288-1048575"}));
}

TEST_F(PassageTest, ResumesARange) {
  const std::string content = numbers(kMiB);
  const Digest blob = site_.upstream.add_blob(content);
  site_.upstream.cut_blob(blob, 1000, 2);

  EXPECT_EQ(site_.blob(blob, "bytes=5000-14999").body, content.substr(5000, 10'000));
}

TEST_F(PassageTest, GivesNobodyACompleteWrongBlob) {
  const Digest small = site_.upstream.add_blob("small"), large = site_.upstream.add_blob(numbers(kMiB));
  site_.upstream.corrupt_blob(small);
  site_.upstream.corrupt_blob(large);

  EXPECT_EQ(site_.blob(small).head.status, 502);
  EXPECT_EQ(site_.blob(large).head.status, 0);  // cut
}

TEST_F(PassageTest, GivesAnEmptyBlob) {
  const auto answer = site_.blob(site_.upstream.add_blob(""));

  EXPECT_EQ(answer.head.status, 200);
  EXPECT_EQ(answer.body, "");
}

TEST(Passage, OfABlobThatTheCacheCouldNeverHoldBeginsAtOnce) {
  auto settings = SiteFixture::never_converting();
  settings.limits.quota = 512 << 10;
  SiteFixture site(settings);
  const std::string content = numbers(kMiB);
  const Digest blob = site.upstream.add_blob(content);

  EXPECT_EQ(site.blob(blob).body, content);
  EXPECT_FALSE(site.cache->has_object(blob));
  EXPECT_EQ(site.upstream.seen_headers(blob.to_string(), "Range"), (std::vector<std::string>{"", "", "bytes=0-1048575"}));
}

TEST(CheckedPassage, HoldsTheLastBytesBackUntilTheDigestIsRight) {
  const std::string content = numbers(3 * Fill::kWithheld);
  std::string given;
  const auto give = [&](std::span<const std::uint8_t> data) {
    given += as_text(data);
    return absl::OkStatus();
  };
  CheckedPassage passage(cache_index::sha256(as_bytes(content)), content.size(), give);

  for (std::size_t i = 0; i + 1 < content.size(); i += 1) ASSERT_TRUE(passage.take(as_bytes(content).subspan(i, 1)).ok());
  const std::size_t before = given.size();
  EXPECT_TRUE(passage.take(as_bytes(content).last(1)).ok());

  EXPECT_EQ(before, 2 * Fill::kWithheld);
  EXPECT_EQ(given, content);
}

TEST(CheckedPassage, CountsWhatWasGivenBefore) {
  const std::string content = numbers(kMiB);
  const TempDir directory = *TempDir::create("passage");
  ASSERT_TRUE(write_file_atomic(directory.path() + "/part", content.substr(0, 700'000)).ok());
  const auto part = open_file(directory.path() + "/part", O_RDONLY);
  std::string given;
  CheckedPassage passage(cache_index::sha256(as_bytes(content)), content.size(), [&](auto data) {
    given += as_text(data);
    return absl::OkStatus();
  });

  ASSERT_TRUE(passage.skip(part->get(), 600'000).ok());
  EXPECT_TRUE(passage.take(as_bytes(content).subspan(600'000)).ok());

  EXPECT_EQ(given, content.substr(600'000));
}

TEST(Resumes, FollowWhatBrokeButNotWhatNeverBegan) {
  const FillOptions options;
  Resumes resumes(options, 1000);

  EXPECT_EQ(resumes.pause_after(absl::UnavailableError(""), 1000), std::nullopt);
  EXPECT_THAT(resumes.pause_after(absl::UnavailableError(""), 1001), Optional(options.resume_backoff));
  EXPECT_THAT(resumes.pause_after(absl::DeadlineExceededError(""), 1001), Optional(2 * options.resume_backoff));
  EXPECT_EQ(resumes.pause_after(absl::NotFoundError(""), 1001), std::nullopt);
  EXPECT_EQ(resumes.pause_after(absl::DataLossError(""), 1001), std::nullopt);
}

TEST(Resumes, EndAfterTooManyWithoutProgress) {
  FillOptions options;
  options.max_resumes = 2;
  Resumes resumes(options, 0);

  EXPECT_TRUE(resumes.pause_after(absl::UnavailableError(""), 1));
  EXPECT_TRUE(resumes.pause_after(absl::UnavailableError(""), 2));
  EXPECT_FALSE(resumes.pause_after(absl::UnavailableError(""), 3));
  EXPECT_THAT(resumes.pause_after(absl::UnavailableError(""), kMiB + 3), Optional(options.resume_backoff));
}

TEST(Resumes, WaitAsLongAsARegistryAsksUnlessThatIsTooLong) {
  const FillOptions options;
  Resumes resumes(options, 0);

  EXPECT_THAT(resumes.pause_after(with_retry_after(absl::ResourceExhaustedError(""), seconds(7)), 1), Optional(milliseconds(7000)));
  EXPECT_EQ(resumes.pause_after(with_retry_after(absl::ResourceExhaustedError(""), seconds(60)), 1), std::nullopt);
  EXPECT_EQ(resumes.pause_after(absl::ResourceExhaustedError("the disk is full"), 1), std::nullopt);
}

}  // namespace
}  // namespace samara::registry_proxy
