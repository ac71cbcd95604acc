#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>

#include <thread>

#include "base/text.h"
#include "cache_index/hasher.h"
#include "site_fixture.h"

namespace samara::registry_proxy {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

constexpr std::string_view kIndexType = "application/vnd.oci.image.index.v1+json";

std::string index(std::string_view note) {
  return str_cat(R"({ "schemaVersion":2,  "manifests":[], "annotations":{"note":")", note, R"("} })");
}

TEST(ManifestMirror, GivesATagsManifestVerbatim) {
  SiteFixture site;
  const Digest digest = site.upstream.add_manifest(index("a"), std::string(kIndexType));
  site.upstream.set_tag("app", "1", digest);

  const auto answer = site.manifest("1");

  EXPECT_EQ(answer.head.status, 200);
  EXPECT_EQ(answer.body, index("a"));
  EXPECT_EQ(answer.head.headers.get("Content-Type"), kIndexType);
  EXPECT_EQ(answer.head.headers.get("Docker-Content-Digest"), digest.to_string());
  EXPECT_EQ(answer.head.headers.get("Docker-Distribution-Api-Version"), "registry/2.0");
}

TEST(ManifestMirror, AnswersHeadWithLengthTypeAndDigest) {
  SiteFixture site;
  const Digest digest = site.upstream.add_manifest(index("a"), std::string(kIndexType));
  site.upstream.set_tag("app", "1", digest);

  const auto answer = site.manifest("1", "HEAD");

  EXPECT_EQ(answer.head.status, 200);
  EXPECT_EQ(answer.head.headers.get("Content-Length"), str_cat(index("a").size()));
  EXPECT_EQ(answer.head.headers.get("Content-Type"), kIndexType);
  EXPECT_EQ(answer.head.headers.get("Docker-Content-Digest"), digest.to_string());
}

TEST(ManifestMirror, AnswersNotModifiedToWhoHasIt) {
  SiteFixture site;
  const Digest digest = site.upstream.add_manifest(index("a"), std::string(kIndexType));
  site.upstream.set_tag("app", "1", digest);
  const std::string path = "/v2/app/manifests/1?ns=fake.test";

  const std::string etag(site.get(path).head.headers.get("ETag"));
  const auto again = site.ask(path, {{"If-None-Match", etag}}), other = site.ask(path, {{"If-None-Match", "\"x\""}});

  EXPECT_EQ(again.head.status, 304);
  EXPECT_EQ(again.head.headers.get("Docker-Content-Digest"), digest.to_string());
  EXPECT_EQ(other.head.status, 200);
}

TEST(ManifestMirror, SendsNobodyATypeThatATagsClientCannotRead) {
  SiteFixture site;
  const Digest digest = site.upstream.add_manifest(index("a"), std::string(kIndexType));
  site.upstream.set_tag("app", "1", digest);
  const SiteFixture::Fields old{{"Accept", "application/vnd.docker.distribution.manifest.v2+json"}};

  EXPECT_EQ(site.ask("/v2/app/manifests/1?ns=fake.test", old).head.status, 404);
  EXPECT_EQ(site.ask(str_cat("/v2/app/manifests/", digest.to_string(), "?ns=fake.test"), old).body, index("a"));
}

TEST(ManifestMirror, GivesIndexesOfIndexesAndArtifactsVerbatim) {
  SiteFixture site;
  const Digest inner = site.upstream.add_manifest(index("inner"), std::string(kIndexType));
  const std::string outer = str_cat(R"({"schemaVersion":2,"mediaType":")", kIndexType, R"(","manifests":[{"mediaType":")",
                                    kIndexType, R"(","digest":")", inner.to_string(), R"(","size":)", index("inner").size(), "}]}");
  const Digest digest = site.upstream.add_manifest(outer, std::string(kIndexType));
  constexpr std::string_view kArtifact = "application/vnd.example.thing+json";
  const std::string thing = str_cat(R"({"mediaType":")", kArtifact, R"(","anything":[1,2]})");
  const Digest artifact = site.upstream.add_manifest(thing, std::string(kArtifact));

  EXPECT_EQ(site.manifest(digest.to_string()).body, outer);
  EXPECT_EQ(site.manifest(inner.to_string()).body, index("inner"));
  for (int times = 0; times < 2; ++times) {  // from upstream, then from the cache
    const auto answer = site.manifest(artifact.to_string());
    EXPECT_EQ(answer.body, thing);
    EXPECT_EQ(answer.head.headers.get("Content-Type"), kArtifact);
  }
}

TEST(ManifestMirror, NeedsTheRegistryOnlyOnceForADigest) {
  SiteFixture site;
  const Digest digest = site.upstream.add_manifest(index("a"), std::string(kIndexType));
  site.manifest(digest.to_string());
  site.upstream.answer("/", 500);

  const auto again = site.manifest(digest.to_string());

  EXPECT_EQ(again.head.status, 200);
  EXPECT_EQ(again.body, index("a"));
  EXPECT_EQ(again.head.headers.get("Samara-Stale"), "");
  EXPECT_EQ(site.upstream.requests("GET", "/manifests/"), 1);
}

TEST(ManifestMirror, AsksForATagsDigestAgainAfterItsTime) {
  SiteFixture site;
  const Digest digest = site.upstream.add_manifest(index("a"), std::string(kIndexType));
  site.upstream.set_tag("app", "1", digest);

  site.manifest("1");
  site.manifest("1");
  EXPECT_EQ(site.upstream.requests("HEAD", "/manifests/1"), 0);
  site.clock.advance(seconds(61));
  site.manifest("1");
  site.manifest("1");

  EXPECT_EQ(site.upstream.requests("HEAD", "/manifests/1"), 1);
  EXPECT_EQ(site.upstream.requests("GET", "/manifests/1"), 1);
}

TEST(ManifestMirror, FollowsATagThatMoved) {
  SiteFixture site;
  site.upstream.set_tag("app", "1", site.upstream.add_manifest(index("old"), std::string(kIndexType)));
  site.manifest("1");
  site.upstream.set_tag("app", "1", site.upstream.add_manifest(index("new"), std::string(kIndexType)));

  const auto within = site.manifest("1");
  site.clock.advance(seconds(61));
  const auto after = site.manifest("1");

  EXPECT_EQ(within.body, index("old"));
  EXPECT_EQ(after.body, index("new"));
}

TEST(ManifestMirror, FollowsAMovedTagWithoutDigestsAndHead) {
  SiteFixture site;
  site.upstream.hide_digests();
  site.upstream.refuse_head();
  site.upstream.set_tag("app", "1", site.upstream.add_manifest(index("old"), std::string(kIndexType)));
  const auto first = site.get("/v2/app/manifests/1");
  site.upstream.set_tag("app", "1", site.upstream.add_manifest(index("new"), std::string(kIndexType)));
  site.clock.advance(seconds(61));

  const auto second = site.get("/v2/app/manifests/1");

  EXPECT_EQ(first.body, index("old"));
  EXPECT_EQ(second.body, index("new"));
}

TEST(ManifestMirror, GivesATagsLastMeaningWhileTheRegistryIsAway) {
  SiteFixture site;
  site.upstream.set_tag("app", "1", site.upstream.add_manifest(index("a"), std::string(kIndexType)));
  site.manifest("1");
  site.clock.advance(seconds(3600));

  for (const int status : {500, 429}) {
    site.upstream.answer("/manifests/", status);
    const auto answer = site.manifest("1");
    EXPECT_EQ(answer.head.status, 200) << status;
    EXPECT_EQ(answer.body, index("a")) << status;
    EXPECT_NE(answer.head.headers.get("Samara-Stale"), "") << status;
  }
}

TEST(ManifestMirror, ForgetsATagThatTheRegistryHasNoMore) {
  SiteFixture site;
  site.upstream.set_tag("app", "1", site.upstream.add_manifest(index("a"), std::string(kIndexType)));
  site.manifest("1");
  site.clock.advance(seconds(3600));
  site.upstream.answer("/manifests/", 404);
  const auto gone = site.manifest("1");
  site.upstream.answer("/manifests/", 500);

  const auto afterwards = site.manifest("1");

  EXPECT_EQ(gone.head.status, 404);
  EXPECT_THAT(gone.body, HasSubstr("MANIFEST_UNKNOWN"));
  EXPECT_EQ(afterwards.head.status, 502);
}

TEST(ManifestMirror, RefusesBytesOfAnotherDigest) {
  SiteFixture site;
  const Digest digest = site.upstream.add_manifest(index("a"), std::string(kIndexType));
  site.upstream.set_tag("app", "1", digest);
  site.upstream.corrupt_blob(digest);

  const auto by_digest = site.manifest(digest.to_string()), by_tag = site.manifest("1");

  EXPECT_EQ(by_digest.head.status, 502);
  EXPECT_THAT(by_digest.body, HasSubstr("DIGEST_INVALID"));
  EXPECT_EQ(by_tag.head.status, 502);
  EXPECT_FALSE(site.cache->has_object(digest));
}

TEST(ManifestMirror, RefusesAndForgetsWhatIsNotAManifest) {
  SiteFixture site;
  const Digest page = site.upstream.add_manifest("<html>please log in</html>", "text/html");
  const Digest odd = site.upstream.add_manifest(R"({"schemaVersion":1})", "application/vnd.x+json");
  site.upstream.set_tag("app", "page", page);

  const auto first = site.manifest("page"), second = site.manifest(odd.to_string());

  EXPECT_EQ(first.head.status, 502);
  EXPECT_THAT(first.body, HasSubstr("MANIFEST_INVALID"));
  EXPECT_THAT(first.body, HasSubstr("fake.test/app:page"));
  EXPECT_EQ(second.head.status, 502);
  EXPECT_FALSE(site.cache->has_object(page));
  EXPECT_FALSE(site.cache->has_object(odd));
}

TEST(ManifestMirror, RefusesManifestsAboveTheLimit) {
  SiteFixture site;
  const Digest huge = site.upstream.add_manifest(std::string((8u << 20) + 1, ' '), std::string(kIndexType));

  const auto answer = site.manifest(huge.to_string());

  EXPECT_EQ(answer.head.status, 502);
  EXPECT_THAT(answer.body, HasSubstr("larger"));
}

TEST(ManifestMirror, FetchesOnceForAllWhoAskForATag) {
  SiteFixture site;
  site.upstream.set_tag("app", "1", site.upstream.add_manifest(index("a"), std::string(kIndexType)));
  site.upstream.hang("/manifests/");
  std::atomic<int> right{0};
  {
    std::vector<std::jthread> clients;
    for (int i = 0; i < 6; ++i)
      clients.emplace_back([&] {
        const auto manifest = site.manifests.get(site.repository(), Reference{"1", std::nullopt});
        if (manifest.ok() && manifest->bytes == index("a")) ++right;
      });
    site.upstream.wait_for_request("/manifests/");
    site.upstream.release();
  }

  EXPECT_EQ(right, 6);
  EXPECT_EQ(site.upstream.requests("GET", "/manifests/"), 1);
}

TEST(ManifestMirror, MendsAStoredManifestThatWasAltered) {
  SiteFixture site;
  const Digest digest = site.upstream.add_manifest(index("a"), std::string(kIndexType));
  site.manifest(digest.to_string());
  const auto fd = open_file(site.cache->object_path(digest), O_WRONLY);
  ASSERT_TRUE(fd.ok()) << fd.status();
  ASSERT_TRUE(pwrite_all(fd->get(), as_bytes("X"), 3).ok());
  site.clock.advance(seconds(61));  // what was read before is at hand that long

  const auto answer = site.manifest(digest.to_string());

  EXPECT_EQ(answer.body, index("a"));
  EXPECT_EQ(site.upstream.requests("GET", "/manifests/"), 2);
}

TEST(ManifestMirror, IsReadFromDiskOnceForManyWhoAsk) {
  SiteFixture site;
  const Digest digest = site.upstream.add_manifest(index("a"), std::string(kIndexType));
  const auto source = [&] { return site.manifests.get(site.repository(), {{}, digest})->source; };

  EXPECT_EQ(source(), Source::kUpstream);
  EXPECT_EQ(source(), Source::kDisk);
  EXPECT_EQ(source(), Source::kMemory);
  site.clock.advance(seconds(61));
  EXPECT_EQ(source(), Source::kDisk);
  EXPECT_EQ(site.upstream.requests("GET", "/manifests/"), 1);
}

TEST(ManifestMirror, KnowsSha512) {
  SiteFixture site;
  cache_index::Hasher hasher(Digest::Algorithm::kSha512);
  hasher.update(as_bytes(index("a")));
  const Digest digest = hasher.finish();
  site.upstream.add_blob_as(digest, index("a"));

  for (int times = 0; times < 3; ++times) {
    const auto answer = site.manifest(digest.to_string());
    EXPECT_EQ(answer.body, index("a"));
    EXPECT_EQ(answer.head.headers.get("Docker-Content-Digest"), digest.to_string());
  }
  EXPECT_EQ(site.upstream.requests("GET", "/manifests/"), 1);
}

TEST(ManifestMirror, TakesTheNextEndpointsManifestWhenTheFirstOnesIsWrong) {
  FakeUpstream liar;
  auto settings = SiteFixture::never_converting();
  FakeUpstream honest;
  settings.upstream.urls = {liar.url(), honest.url()};
  SiteFixture site(settings);
  for (FakeUpstream* registry : {&liar, &honest})
    registry->set_tag("app", "1", registry->add_manifest(index("a"), std::string(kIndexType)));
  liar.corrupt_blob(cache_index::sha256(as_bytes(index("a"))));

  EXPECT_EQ(site.manifest("1").body, index("a"));
  site.clock.advance(seconds(1));
  EXPECT_EQ(site.get("/v2/other/tags/list").head.status, 200);
  EXPECT_EQ(liar.requests("GET", "/tags/list"), 0);  // it has its turn after the others for a while
}

TEST(ManifestMirror, WaitsALittleOnlyForWordThatATagIsStillRight) {
  auto settings = SiteFixture::never_converting();
  settings.upstream.idle_timeout = std::chrono::hours(1);
  settings.upstream.patience = std::chrono::milliseconds(20);
  SiteFixture site(settings);
  site.upstream.set_tag("app", "1", site.upstream.add_manifest(index("a"), std::string(kIndexType)));
  site.manifest("1");
  site.clock.advance(seconds(61));
  site.upstream.hang("/manifests/");

  const auto answer = site.manifest("1");

  EXPECT_EQ(answer.body, index("a"));
  EXPECT_NE(answer.head.headers.get("Samara-Stale"), "");
}

TEST(ManifestMirror, TellsATagsAge) {
  SiteFixture site;
  const Digest digest = site.upstream.add_manifest(index("a"), std::string(kIndexType));
  site.upstream.set_tag("app", "1", digest);

  const auto first = site.manifest("1");
  site.clock.advance(seconds(40));
  const auto second = site.manifest("1");
  site.clock.advance(seconds(40));
  const auto checked = site.manifest("1");
  site.upstream.answer("/manifests/", 500);
  site.clock.advance(seconds(3600));
  const auto stale = site.manifest("1");

  EXPECT_EQ(first.head.headers.get("Age"), "0");
  EXPECT_EQ(second.head.headers.get("Age"), "40");
  EXPECT_EQ(checked.head.headers.get("Age"), "0");
  EXPECT_EQ(stale.head.headers.get("Age"), "3600");
  EXPECT_EQ(site.manifest(digest.to_string()).head.headers.get("Age"), "");
}

TEST(ManifestMirror, GivesAStaleTagOnlyForAsLongAsIsAllowed) {
  auto settings = SiteFixture::never_converting();
  settings.upstream.stale_for = seconds(600);
  SiteFixture site(settings);
  site.upstream.set_tag("app", "1", site.upstream.add_manifest(index("a"), std::string(kIndexType)));
  site.manifest("1");
  site.upstream.answer("/manifests/", 500);

  site.clock.advance(seconds(650));
  EXPECT_EQ(site.manifest("1").head.status, 200);
  site.clock.advance(seconds(20));
  EXPECT_EQ(site.manifest("1").head.status, 502);
}

TEST(ManifestMirror, LeavesARegistryThatIsAwayInPeaceForAMoment) {
  SiteFixture site;
  for (const char* tag : {"1", "2", "3"})
    site.upstream.set_tag("app", tag, site.upstream.add_manifest(index(tag), std::string(kIndexType)));
  for (const char* tag : {"1", "2", "3"}) site.manifest(tag);
  site.clock.advance(seconds(61));
  site.upstream.answer("/manifests/", 500);
  const int before = site.upstream.requests("HEAD", "/manifests/");

  for (const char* tag : {"1", "2", "3", "1"}) EXPECT_NE(site.manifest(tag).head.headers.get("Samara-Stale"), "") << tag;
  EXPECT_EQ(site.upstream.requests("HEAD", "/manifests/"), before + 1);
  site.upstream.answer("/manifests/", 0);
  site.clock.advance(seconds(5));

  EXPECT_EQ(site.manifest("2").head.headers.get("Samara-Stale"), "");
}

TEST(ManifestMirror, RefreshesATagOnRequest) {
  SiteFixture site;
  const Digest old = site.upstream.add_manifest(index("old"), std::string(kIndexType));
  const Digest moved = site.upstream.add_manifest(index("new"), std::string(kIndexType));
  site.upstream.set_tag("app", "1", old);
  const std::string route = "/samara/v1/tags/refresh?image=fake.test/app:1";

  const auto first = site.get(route, "", "POST");
  site.upstream.set_tag("app", "1", moved);
  const auto second = site.get(route, "", "POST");

  EXPECT_EQ(first.head.status, 200);
  EXPECT_EQ(first.body, str_cat("image fake.test/app:1\nnow ", old.to_string(), "\n"));
  EXPECT_EQ(second.body, str_cat("image fake.test/app:1\nnow ", moved.to_string(), "\nwas ", old.to_string(), "\n"));
  EXPECT_EQ(site.manifest("1").body, index("new"));
}

TEST(ManifestMirror, SaysWhyATagCantBeRefreshed) {
  SiteFixture site;
  site.upstream.set_tag("app", "1", site.upstream.add_manifest(index("a"), std::string(kIndexType)));
  site.manifest("1");
  site.upstream.answer("/manifests/", 500);
  const std::string route = "/samara/v1/tags/refresh?image=";

  EXPECT_EQ(site.get(route + "fake.test/app:1", "", "POST").head.status, 502);
  site.upstream.answer("/manifests/", 0);
  EXPECT_EQ(site.get(route + "fake.test/app:2", "", "POST").head.status, 404);
  EXPECT_EQ(site.get(route + "fake.test/app@sha256:" + std::string(64, 'a'), "", "POST").head.status, 400);
  EXPECT_EQ(site.get(route + "fake.test/App", "", "POST").head.status, 400);
  EXPECT_EQ(site.get(route, "", "POST").head.status, 400);
  EXPECT_EQ(site.get(route + "fake.test/app:1").head.status, 405);
}

}  // namespace
}  // namespace samara::registry_proxy
