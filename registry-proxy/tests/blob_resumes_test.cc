#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "site_fixture.h"

namespace samara::registry_proxy {
namespace {

constexpr std::uint64_t kMiB = 1u << 20;

// Whether a failure is told or the connection is cut depends on whether bytes had been given by then.
MATCHER(FailsOrIsCut, "") { return arg.head.status == 0 || arg.head.status >= 500; }

// What a killed process leaves: a writer that never got to its end.
void leave_part(SiteFixture& site, const Digest& blob, const std::string& part) {
  const auto writer = site.cache->create_object(blob);
  ASSERT_TRUE(writer.ok()) << writer.status();
  ASSERT_TRUE((*writer)->append(as_bytes(part)).ok());
}

TEST(BlobMirror, FetchesOnlyWhatAnEarlierProcessDidNotGet) {
  SiteFixture site;
  const std::string content = numbers(kMiB);
  const Digest blob = site.upstream.add_blob(content);
  ASSERT_NO_FATAL_FAILURE(leave_part(site, blob, content.substr(0, 900'000)));

  const auto answer = site.blob(blob);

  EXPECT_EQ(answer.head.status, 200);
  EXPECT_EQ(answer.body, content);
  EXPECT_EQ(site.metrics.counter("samara_site_upstream_bytes_total", "", {{"class", "blob"}}).value(), kMiB - 900'000);
  EXPECT_TRUE(site.cache->has_object(blob));
}

TEST(BlobMirror, TakesABlobThatHadComeWhole) {
  SiteFixture site;
  const std::string content = numbers(kMiB);
  const Digest blob = site.upstream.add_blob(content);
  ASSERT_NO_FATAL_FAILURE(leave_part(site, blob, content));

  const auto answer = site.blob(blob);

  EXPECT_EQ(answer.body, content);
  EXPECT_TRUE(site.cache->has_object(blob));
}

TEST(BlobMirror, GivesNothingOfAWrongPartAsWholeAndStartsAnewAfterIt) {
  SiteFixture site;
  const std::string content = numbers(kMiB);
  const Digest blob = site.upstream.add_blob(content);
  ASSERT_NO_FATAL_FAILURE(leave_part(site, blob, std::string(500'000, 'x')));

  const auto wrong = site.blob(blob), right = site.blob(blob);

  EXPECT_THAT(wrong, FailsOrIsCut());
  EXPECT_EQ(right.body, content);
}

TEST(BlobMirror, ResumesWhereATransferBroke) {
  SiteFixture site;
  const std::string content = numbers(kMiB);
  const Digest blob = site.upstream.add_blob(content);
  site.upstream.cut_blob(blob, 300'000, 3);

  const auto answer = site.blob(blob);

  EXPECT_EQ(answer.body, content);
  EXPECT_EQ(site.upstream.requests("GET", "/blobs/"), 4);
  EXPECT_THAT(site.upstream.seen_headers("/blobs/", "Range"),
              ::testing::ElementsAre("", "bytes=300000-", "bytes=600000-", "bytes=900000-"));
}

TEST(BlobMirror, WaitsInTheMiddleOfABlobForARegistryThatLimitsRequests) {
  SiteFixture site;
  const std::string content = numbers(kMiB);
  const Digest blob = site.upstream.add_blob(content);
  site.upstream.cut_blob(blob, kMiB / 2, 1);
  site.upstream.limit_rest(blob, 2);

  EXPECT_EQ(site.blob(blob).body, content);
  EXPECT_EQ(site.upstream.requests("GET", "/blobs/"), 4);
}

TEST(BlobMirror, AsksAnotherEndpointAfterOneThatGaveWrongBytes) {
  FakeUpstream liar, honest;
  auto settings = SiteFixture::never_converting();
  settings.upstream.urls = {liar.url(), honest.url()};
  SiteFixture site(settings);
  const std::string content = numbers(kMiB);
  const Digest blob = liar.add_blob(content);
  honest.add_blob(content);
  liar.corrupt_blob(blob);

  EXPECT_THAT(site.blob(blob), FailsOrIsCut());
  EXPECT_EQ(site.blob(blob).body, content);
}

TEST(BlobMirror, ResumesAtARegistryThatIgnoresRanges) {
  SiteFixture site;
  const std::string content = numbers(kMiB);
  const Digest blob = site.upstream.add_blob(content);
  site.upstream.ignore_ranges();
  site.upstream.cut_blob(blob, 300'000, 1);

  EXPECT_EQ(site.blob(blob).body, content);
}

TEST(BlobMirror, GivesUpOnATransferThatBreaksAgainAndAgain) {
  SiteFixture site;
  const Digest blob = site.upstream.add_blob(numbers(kMiB));
  site.upstream.cut_blob(blob, 1000, 1000);

  const auto answer = site.blob(blob);

  EXPECT_THAT(answer, FailsOrIsCut());
  EXPECT_EQ(site.upstream.requests("GET", "/blobs/"), 1 + FillOptions().max_resumes);
  EXPECT_FALSE(site.cache->has_object(blob));
}

TEST(BlobMirror, RefusesABlobWhoseLengthIsALie) {
  SiteFixture site;
  const Digest longer = site.upstream.add_blob(numbers(10'000)), shorter = site.upstream.add_blob(numbers(20'000));
  site.upstream.announce(longer, 5'000);
  site.upstream.announce(shorter, 30'000);

  EXPECT_THAT(site.blob(longer), FailsOrIsCut());
  EXPECT_THAT(site.blob(shorter), FailsOrIsCut());

  EXPECT_FALSE(site.cache->has_object(longer));
  EXPECT_FALSE(site.cache->has_object(shorter));
}

TEST(BlobMirror, ResumesAtANewUrlWhereRedirectsExpire) {
  FakeUpstream storage;
  SiteFixture site;
  const std::string bytes = std::string(50'000, 'a') + std::string(50'000, 'b');
  const Digest digest = site.upstream.add_blob(bytes);
  storage.add_blob(bytes);
  site.upstream.redirect_blobs_once(storage);
  storage.cut_blob(digest, 30'000, 2);

  const auto answer = site.blob(digest);

  EXPECT_EQ(answer.body, bytes);
  EXPECT_EQ(storage.requests("GET", "/signed/"), 3);
  EXPECT_EQ(site.upstream.requests("GET", "/blobs/"), 3);
}

}  // namespace
}  // namespace samara::registry_proxy
