#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "cache_index/hasher.h"
#include "raw_connection.h"
#include "raw_server.h"
#include "site_fixture.h"

namespace samara::registry_proxy {
namespace {

constexpr std::uint64_t kMiB = 1u << 20;

TEST(BlobMirror, GivesRangesOfWhatItHas) {
  SiteFixture site;
  const std::string content = numbers(100'000);
  const Digest blob = site.upstream.add_blob(content);
  site.blob(blob);

  const auto middle = site.blob(blob, "bytes=10-19"), tail = site.blob(blob, "bytes=-5");
  const auto past = site.blob(blob, "bytes=100000-"), several = site.blob(blob, "bytes=0-1,5-6");

  EXPECT_EQ(middle.head.status, 206);
  EXPECT_EQ(middle.body, content.substr(10, 10));
  EXPECT_EQ(middle.head.headers.get("Content-Range"), "bytes 10-19/100000");
  EXPECT_EQ(tail.body, content.substr(99'995));
  EXPECT_EQ(past.head.status, 416);
  EXPECT_EQ(past.head.headers.get("Content-Range"), "bytes */100000");
  EXPECT_EQ(several.head.status, 200);
  EXPECT_EQ(several.body, content);
}

TEST(BlobMirror, HonoursARangeOnlyOfTheBytesThatTheClientKnows) {
  SiteFixture site;
  const Digest blob = site.upstream.add_blob("0123456789");
  const std::string path = str_cat("/v2/app/blobs/", blob.to_string(), "?ns=fake.test");
  const auto whole = site.get(path);
  const std::string etag(whole.head.headers.get("ETag"));

  const auto same = site.ask(path, {{"Range", "bytes=2-3"}, {"If-Range", etag}});
  const auto other = site.ask(path, {{"Range", "bytes=2-3"}, {"If-Range", "\"other\""}});

  EXPECT_EQ(etag, str_cat("\"", blob.to_string(), "\""));
  EXPECT_EQ(same.head.status, 206);
  EXPECT_EQ(same.body, "23");
  EXPECT_EQ(other.head.status, 200);
  EXPECT_EQ(other.body, "0123456789");
}

TEST(BlobMirror, AnswersARangeOfAnEmptyBlob) {
  SiteFixture site;
  const Digest blob = site.upstream.add_blob("");

  const auto cold = site.blob(blob, "bytes=0-"), warm = site.blob(blob, "bytes=0-");

  EXPECT_EQ(cold.head.status, 416);
  EXPECT_EQ(cold.head.headers.get("Content-Range"), "bytes */0");
  EXPECT_EQ(warm.head.status, 416);
}

TEST(BlobMirror, GivesARangeOfABlobThatIsOnItsWay) {
  SiteFixture site;
  const std::string content = numbers(kMiB);
  const Digest blob = site.upstream.add_blob(content);

  const auto answer = site.blob(blob, "bytes=1000-");

  EXPECT_EQ(answer.head.status, 206);
  EXPECT_EQ(answer.body, content.substr(1000));
  EXPECT_EQ(answer.head.headers.get("Content-Range"), "bytes 1000-1048575/1048576");
}

TEST(BlobMirror, FetchesARangeFarAheadByItself) {
  auto settings = SiteFixture::never_converting();
  settings.mirror.far_ahead = 64 * 1024;
  SiteFixture site(settings);
  const std::string content = numbers(kMiB);
  const Digest cold = site.upstream.add_blob(content), filling = site.upstream.add_blob(content + "x");

  const auto alone = site.blob(cold, "bytes=500000-500999");
  site.upstream.pause_blob(filling, 1000);
  RawConnection follower(site.server->port());
  follower.send(str_cat("GET /v2/app/blobs/", filling.to_string(), " HTTP/1.0\r\n\r\n"));
  site.upstream.wait_for_request(filling.to_string());
  const auto beside = site.blob(filling, "bytes=500000-500999");

  EXPECT_EQ(alone.head.status, 206);
  EXPECT_EQ(alone.body, content.substr(500'000, 1000));
  EXPECT_FALSE(site.cache->has_object(cold));
  EXPECT_EQ(beside.body, content.substr(500'000, 1000));
}

// As containerd 2.1 and later fetch a layer: several open-ended ranges at once, each cut off after its part.
TEST(BlobMirror, FetchesOnceForManyRangesThatAreCutOff) {
  SiteFixture site;
  const std::string content = numbers(4 * kMiB);
  const Digest blob = site.upstream.add_blob(content);
  site.upstream.pause_blob(blob, kMiB);
  const auto ask = [&](RawConnection& connection, std::uint64_t from) {
    connection.send(str_cat("GET /v2/app/blobs/", blob.to_string(), "?ns=fake.test HTTP/1.1\r\nHost: a\r\nRange: bytes=", from,
                            "-\r\n\r\n"));
  };

  std::vector<std::unique_ptr<RawConnection>> clients;
  for (std::uint64_t part = 0; part < 4; ++part) {
    clients.push_back(std::make_unique<RawConnection>(site.server->port()));
    ask(*clients.back(), part * kMiB);
  }
  site.upstream.wait_for_request("/blobs/");
  site.upstream.release();
  for (std::uint64_t part = 0; part < 4; ++part)
    EXPECT_THAT(clients[part]->read_until(content.substr(part * kMiB, 1000)), ::testing::EndsWith(content.substr(part * kMiB, 1000)));
  clients.clear();  // none of them reads to the end

  EXPECT_EQ(site.blob(blob).body, content);
  EXPECT_EQ(site.upstream.requests("GET", "/blobs/"), 1);
}

TEST(BlobMirror, LetsADownloadCatchUpBeforeItFetchesARangeTwice) {
  SiteFixture::Settings settings = SiteFixture::never_converting();
  settings.mirror.far_ahead = kMiB;
  settings.mirror.patience = std::chrono::minutes(1);
  SiteFixture site(settings);
  const std::string content = numbers(4 * kMiB);
  const Digest blob = site.upstream.add_blob(content);
  site.upstream.pause_blob(blob, 1000);
  RawConnection whole(site.server->port()), range(site.server->port());
  const std::string request = str_cat("GET /v2/app/blobs/", blob.to_string(), "?ns=fake.test HTTP/1.0\r\n");

  whole.send(request + "\r\n");
  site.upstream.wait_for_request("/blobs/");
  range.send(request + "Range: bytes=3145728-\r\n\r\n");
  site.upstream.release();

  EXPECT_THAT(range.read_to_end(), ::testing::EndsWith(content.substr(3 * kMiB)));
  EXPECT_THAT(whole.read_to_end(), ::testing::EndsWith(content));
  EXPECT_EQ(site.upstream.requests("GET", "/blobs/"), 1);
}

TEST(BlobMirror, TellsASizeWithoutFetchingTheBlob) {
  SiteFixture site;
  const Digest blob = site.upstream.add_blob(numbers(100'000));

  const auto answer = site.blob(blob, "", "HEAD");

  EXPECT_EQ(answer.head.status, 200);
  EXPECT_EQ(answer.head.headers.get("Content-Length"), "100000");
  EXPECT_EQ(site.upstream.requests("GET", "/blobs/"), 0);
}

TEST(BlobMirror, FetchesABlobWhenTheRegistryTellsNoSize) {
  SiteFixture site;
  const Digest blob = site.upstream.add_blob(numbers(100'000));
  site.upstream.refuse_head();

  const auto answer = site.blob(blob, "", "HEAD");

  EXPECT_EQ(answer.head.status, 200);
  EXPECT_EQ(answer.head.headers.get("Content-Length"), "100000");
}

// One that doesn't tell how long anything is: not in the answer to HEAD, and not before the last chunk.
class BlobsOfUntoldSize : public ::testing::Test {
 protected:
  static std::string answer(const std::string& head) {
    if (head.starts_with("HEAD ")) return "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
  }
  static SiteFixture::Settings settings(const RawServer& registry) {
    auto settings = SiteFixture::never_converting();
    settings.mirror.far_ahead = 2;
    settings.upstream.urls = {str_cat("http://127.0.0.1:", registry.port())};
    return settings;
  }
  RawServer registry_{answer};
  SiteFixture site_{settings(registry_)};
  const Digest blob_ = cache_index::sha256(as_bytes("hello world"));
};

TEST_F(BlobsOfUntoldSize, AreGivenWhole) {
  const auto answer = site_.blob(blob_);

  EXPECT_EQ(answer.body, "hello world");
  EXPECT_EQ(answer.head.headers.get("Content-Length"), "11");
}

TEST_F(BlobsOfUntoldSize, AreFetchedWhenTheirSizeIsAskedFor) {
  const auto answer = site_.blob(blob_, "", "HEAD");

  EXPECT_EQ(answer.head.status, 200);
  EXPECT_EQ(answer.head.headers.get("Content-Length"), "11");
}

TEST_F(BlobsOfUntoldSize, AreFetchedForARangeFarAhead) {
  const auto answer = site_.blob(blob_, "bytes=6-");

  EXPECT_EQ(answer.head.status, 206);
  EXPECT_EQ(answer.body, "world");
}

}  // namespace
}  // namespace samara::registry_proxy
