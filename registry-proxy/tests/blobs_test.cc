#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/text.h"
#include "cache_index/hasher.h"
#include "raw_connection.h"
#include "site_fixture.h"

namespace samara::registry_proxy {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kMiB = 1u << 20;

// Whether a failure is told or the connection is cut depends on whether bytes had been given by then.
MATCHER(FailsOrIsCut, "") { return arg.head.status == 0 || arg.head.status >= 500; }

TEST(BlobMirror, GivesTheBytesOfABlobAndKeepsThem) {
  SiteFixture site;
  const std::string content = numbers(3 * kMiB);
  const Digest blob = site.upstream.add_blob(content);

  const auto first = site.blob(blob), second = site.blob(blob);

  EXPECT_EQ(first.head.status, 200);
  EXPECT_EQ(first.body, content);
  EXPECT_EQ(first.head.headers.get("Docker-Content-Digest"), blob.to_string());
  EXPECT_EQ(second.body, content);
  EXPECT_EQ(site.upstream.requests("GET", "/blobs/"), 1);
  EXPECT_TRUE(site.cache->has_object(blob));
}

TEST(BlobMirror, GivesAnEmptyBlob) {
  SiteFixture site;
  const Digest blob = site.upstream.add_blob("");

  const auto answer = site.blob(blob);

  EXPECT_EQ(answer.head.status, 200);
  EXPECT_EQ(answer.body, "");
}

TEST(BlobMirror, GivesBytesWhileTheyArrive) {
  SiteFixture site;
  const std::string content = numbers(kMiB);
  const Digest blob = site.upstream.add_blob(content);
  site.upstream.pause_blob(blob, kMiB / 2);
  RawConnection client(site.server->port());

  client.send(str_cat("GET /v2/app/blobs/", blob.to_string(), " HTTP/1.0\r\n\r\n"));
  client.read_until("\r\n\r\n");
  const std::string first_half = client.read_exactly(kMiB / 2);
  const bool complete_before = site.cache->has_object(blob);
  site.upstream.release();

  EXPECT_EQ(first_half + client.read_to_end(), content);
  EXPECT_FALSE(complete_before);
}

TEST(BlobMirror, FetchesOnceForAllWhoAsk) {
  SiteFixture site;
  const std::string content = numbers(2 * kMiB);
  const Digest blob = site.upstream.add_blob(content);
  site.upstream.pause_blob(blob, 1000);
  std::atomic<int> right{0};
  {
    std::vector<std::jthread> clients;
    for (int i = 0; i < 8; ++i)
      clients.emplace_back([&] {
        http::ClientRequest request;
        request.url = str_cat(site.url(), "/v2/app/blobs/", blob.to_string());
        const auto response = site.client.get(request);
        if (response.ok() && response->body == content) ++right;
      });
    site.upstream.wait_for_request("/blobs/");
    site.upstream.release();
  }

  EXPECT_EQ(right, 8);
  EXPECT_EQ(site.upstream.requests("GET", "/blobs/"), 1);
}

TEST(BlobMirror, NeverGivesACompleteBlobThatIsWrong) {
  SiteFixture site;
  const Digest small = site.upstream.add_blob("small"), large = site.upstream.add_blob(numbers(kMiB));
  site.upstream.corrupt_blob(small);
  site.upstream.corrupt_blob(large);

  const auto small_answer = site.blob(small);
  const auto large_answer = site.blob(large);

  EXPECT_EQ(small_answer.head.status, 502);
  EXPECT_THAT(small_answer.body, HasSubstr("DIGEST_INVALID"));
  EXPECT_THAT(small_answer.body, HasSubstr(small.to_string()));
  EXPECT_THAT(large_answer, FailsOrIsCut());
  EXPECT_FALSE(site.cache->has_object(small));
  EXPECT_FALSE(site.cache->has_object(large));
}

TEST(BlobMirror, LeavesAForeignLayerThatItsRegistryLacksToTheClient) {
  SiteFixture site;
  const Digest foreign = cache_index::sha256(as_bytes("at another place"));
  const std::string manifest = str_cat(
      R"({"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{"mediaType":)",
      R"("application/vnd.docker.container.image.v1+json","digest":")", site.upstream.add_blob("{}").to_string(),
      R"(","size":2},"layers":[{"mediaType":"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip","digest":")",
      foreign.to_string(), R"(","size":16,"urls":["http://127.0.0.1:1/layer"]}]})");
  const Digest digest = site.upstream.add_manifest(manifest, "application/vnd.docker.distribution.manifest.v2+json");

  EXPECT_EQ(site.manifest(digest.to_string()).body, manifest);
  const auto missing = site.blob(foreign);
  EXPECT_EQ(missing.head.status, 404);
  EXPECT_THAT(missing.body, HasSubstr("BLOB_UNKNOWN"));
  site.upstream.add_blob("at another place");
  EXPECT_EQ(site.blob(foreign).body, "at another place");
}

TEST(BlobMirror, AnswersFailuresFastAndByTheRules) {
  SiteFixture site;
  const Digest absent = cache_index::sha256(as_bytes("absent"));

  const auto not_found = site.blob(absent);
  std::vector<int> answers;
  for (const int status : {401, 403, 500, 429}) {
    site.upstream.answer("/blobs/", status);
    answers.push_back(site.blob(absent).head.status);
  }

  EXPECT_EQ(not_found.head.status, 404);
  EXPECT_THAT(not_found.body, HasSubstr(R"("code":"BLOB_UNKNOWN")"));
  EXPECT_EQ(answers, (std::vector<int>{404, 404, 502, 503}));
}

TEST(BlobMirror, AnswersGatewayTimeoutWhenTheRegistryHangs) {
  auto settings = SiteFixture::never_converting();
  settings.upstream.idle_timeout = std::chrono::milliseconds(50);
  SiteFixture site(settings);
  const Digest blob = site.upstream.add_blob("x");
  site.upstream.hang("/blobs/");

  EXPECT_EQ(site.blob(blob).head.status, 504);
}

TEST(BlobMirror, SendsNothingAgainToWhoHasIt) {
  SiteFixture site;
  const Digest blob = site.upstream.add_blob("0123456789");
  const std::string path = str_cat("/v2/app/blobs/", blob.to_string(), "?ns=fake.test");
  site.get(path);

  const auto answer = site.ask(path, {{"If-None-Match", str_cat("\"", blob.to_string(), "\"")}});

  EXPECT_EQ(answer.head.status, 304);
  EXPECT_EQ(answer.body, "");
}

TEST(BlobMirror, KnowsSha512) {
  SiteFixture site;
  cache_index::Hasher hasher(Digest::Algorithm::kSha512);
  hasher.update(as_bytes("content"));
  const Digest digest = hasher.finish();
  site.upstream.add_blob_as(digest, "content");

  EXPECT_EQ(site.blob(digest).body, "content");
  EXPECT_EQ(site.blob(digest, "bytes=0-2").body, "con");
  EXPECT_TRUE(site.cache->has_object(digest));
}

TEST(BlobMirror, GoesOnWhenAReaderLeaves) {
  SiteFixture site;
  const std::string content = numbers(kMiB);
  const Digest blob = site.upstream.add_blob(content);
  site.upstream.pause_blob(blob, kMiB / 2);
  RawConnection leaving(site.server->port()), staying(site.server->port());
  for (RawConnection* client : {&leaving, &staying}) {
    client->send(str_cat("GET /v2/app/blobs/", blob.to_string(), " HTTP/1.0\r\n\r\n"));
    client->read_until("\r\n\r\n");
  }

  leaving.close();
  site.upstream.release();

  EXPECT_EQ(staying.read_to_end(), content);
  EXPECT_EQ(site.upstream.requests("GET", "/blobs/"), 1);
}

TEST(BlobMirror, AsksTheClientsOwnRepositoryWhenAnotherHadNothing) {
  SiteFixture site;
  const Digest blob = site.upstream.add_blob("content");
  site.upstream.answer("/other/", 404);
  site.upstream.hang("/other/");
  std::jthread other([&] { site.get(str_cat("/v2/other/blobs/", blob.to_string())); });
  site.upstream.wait_for_request("/other/");
  RawConnection own(site.server->port());
  own.send(str_cat("GET /v2/app/blobs/", blob.to_string(), " HTTP/1.0\r\n\r\n"));

  site.upstream.release();

  EXPECT_THAT(own.read_to_end(), ::testing::EndsWith("content"));
}

TEST(Blobs, ReadsSmallBlobsWholeAndRefusesLargeOnes) {
  SiteFixture site;
  const Digest blob = site.upstream.add_blob("a config");

  EXPECT_EQ(site.blobs.read({site.repository(), blob, std::nullopt}, 100, {}).value(), "a config");
  EXPECT_EQ(site.blobs.read({site.repository(), blob, std::nullopt}, 3, {}).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(Blobs, PassesBlobsThroughBeyondTheFillsAllowed) {
  auto settings = SiteFixture::never_converting();
  settings.blobs.max_fills = 1;
  SiteFixture site(settings);
  const Digest first = site.upstream.add_blob("1"), second = site.upstream.add_blob("the second");
  site.upstream.hang(first.to_string());
  const auto opened = site.blobs.open({site.repository(), first, std::nullopt});

  EXPECT_TRUE(opened.ok());
  EXPECT_EQ(site.blob(second).body, "the second");
  EXPECT_FALSE(site.cache->has_object(second));
}

}  // namespace
}  // namespace samara::registry_proxy
