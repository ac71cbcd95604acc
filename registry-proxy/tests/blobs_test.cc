#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/text.h"
#include "cache_index/hasher.h"
#include "raw_connection.h"
#include "raw_server.h"
#include "site_fixture.h"

namespace samara::registry_proxy {
namespace {

using std::chrono::seconds;
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

TEST(Fill, IsAbandonedWhenNobodyHasReadForLong) {
  SiteFixture site;
  const Digest blob = site.upstream.add_blob(numbers(kMiB));
  site.upstream.pause_blob(blob, 1000);
  auto fill = Fill::create({site.repository(), blob, std::nullopt}, **site.upstreams.find("fake.test"),
                           *site.cache->create_object(blob), site.clock, {});
  ASSERT_TRUE(fill.ok());
  absl::Status ended;
  std::jthread runner([&] { ended = (*fill)->run(); });
  ASSERT_TRUE(FillReader(*fill)->wait_size().ok());

  site.clock.advance(seconds(61));
  site.upstream.release();
  runner.join();

  EXPECT_EQ(ended.code(), absl::StatusCode::kCancelled);
}

TEST(Fill, RefusesABlobOfAnotherSizeThanTheManifestSays) {
  SiteFixture site;
  const Digest blob = site.upstream.add_blob("12345");

  const auto content = site.blobs.read({site.repository(), blob, 4}, 1000, {});

  EXPECT_EQ(content.status().code(), absl::StatusCode::kDataLoss);
}

TEST(Fill, EndsWhenTheSiteStops) {
  SiteFixture site;
  const Digest blob = site.upstream.add_blob(numbers(kMiB));
  site.upstream.pause_blob(blob, 1000);
  auto opened = site.blobs.open({site.repository(), blob, std::nullopt});
  ASSERT_TRUE(opened.ok());

  site.blobs.stop();

  EXPECT_EQ(std::get<FillReader>(*opened)->wait_readable(0).status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(site.blobs.open({site.repository(), blob, std::nullopt}).status().code(), absl::StatusCode::kCancelled);
}

TEST(Fill, StopsAReaderThatIsToldToWhetherThereAreBytesOrNot) {
  SiteFixture site;
  const Digest waiting = site.upstream.add_blob(numbers(kMiB)), flowing = site.upstream.add_blob(numbers(2 * kMiB));
  site.upstream.pause_blob(waiting, 1000);
  site.upstream.pause_blob(flowing, kMiB);
  std::stop_source stop;
  const auto dry = site.blobs.stream({site.repository(), waiting, std::nullopt}, stop.get_token());
  const auto wet = site.blobs.stream({site.repository(), flowing, std::nullopt}, stop.get_token());
  ASSERT_TRUE(dry.ok() && wet.ok());
  std::array<std::uint8_t, 16> out;
  ASSERT_EQ((*wet)->read(out).value_or(0), out.size());

  stop.request_stop();

  EXPECT_EQ((*dry)->read(out).status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ((*wet)->read(out).status().code(), absl::StatusCode::kCancelled);
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
