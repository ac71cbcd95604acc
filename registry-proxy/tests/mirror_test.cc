#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "raw_connection.h"
#include "site_fixture.h"

namespace samara::registry_proxy {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(Mirror, SpeaksTheDistributionApi) {
  SiteFixture site;

  for (const char* path : {"/v2/", "/v2"}) {
    const auto answer = site.get(path);
    EXPECT_EQ(answer.head.status, 200) << path;
    EXPECT_EQ(answer.head.headers.get("Docker-Distribution-Api-Version"), "registry/2.0") << path;
  }
}

TEST(Mirror, TakesTheRegistryFromTheHostThatItWasAskedBy) {
  SiteFixture site([] {
    auto settings = SiteFixture::never_converting();
    settings.upstream.hosts = {"Mirror.test"};
    settings.mirror.default_registry = "elsewhere.test";
    return settings;
  }());
  const Digest blob = site.upstream.add_blob("content");
  const std::string path = str_cat("/v2/app/blobs/", blob.to_string());

  EXPECT_EQ(site.ask(path, {{"Host", "mirror.TEST:7700"}}).body, "content");
  EXPECT_EQ(site.ask(path, {{"Host", "other.test"}}).head.status, 404);
  EXPECT_EQ(site.ask(path + "?ns=elsewhere.test", {{"Host", "mirror.test"}}).head.status, 404);
}

TEST(Mirror, CanOnlyBeRead) {
  SiteFixture site;

  for (const char* method : {"DELETE", "OPTIONS", "BREW"}) {
    const auto answer = site.get("/v2/app/manifests/1", "", method);
    EXPECT_EQ(answer.head.status, 405) << method;
    EXPECT_EQ(answer.head.headers.get("Allow"), "GET, HEAD") << method;
    EXPECT_THAT(answer.body, HasSubstr("UNSUPPORTED")) << method;
  }
}

TEST(Mirror, RefusesUploadsWhateverTheMethod) {
  SiteFixture site;

  for (const char* method : {"GET", "DELETE"}) {
    const auto answer = site.get("/v2/app/blobs/uploads/some-id", "", method);
    EXPECT_EQ(answer.head.status, 405) << method;
    EXPECT_EQ(answer.head.headers.find("Allow"), "") << method;
  }
}

TEST(Mirror, TellsAMalformedNameWhateverTheMethod) {
  SiteFixture site;

  EXPECT_EQ(site.get("/v2/app/manifests/sha256:totallywrong", "", "DELETE").head.status, 400);
  EXPECT_EQ(site.get("/v2/App/manifests/1", "", "DELETE").head.status, 400);
}

TEST(Mirror, RefusesNamesOutsideTheGrammarWithoutAskingAnybody) {
  SiteFixture site;
  const std::string digest = str_cat("sha256:", std::string(64, 'a'));

  EXPECT_THAT(site.get("/v2/App/manifests/1").body, HasSubstr("NAME_INVALID"));
  EXPECT_THAT(site.get("/v2/a/../b/manifests/1").body, HasSubstr("NAME_INVALID"));
  EXPECT_THAT(site.get("/v2/app/manifests/1?ns=a%2Fb").body, HasSubstr("NAME_INVALID"));
  EXPECT_THAT(site.get(str_cat("/v2/app/blobs/", digest, "?ns=user@host")).body, HasSubstr("NAME_INVALID"));
  EXPECT_THAT(site.get("/v2/app/blobs/sha256:abc").body, HasSubstr("DIGEST_INVALID"));
  EXPECT_THAT(site.get("/v2/app/blobs/latest").body, HasSubstr("DIGEST_INVALID"));
  EXPECT_EQ(site.get("/v2/app/manifests/.x").head.status, 400);

  EXPECT_EQ(site.upstream.requests("GET", ""), 0);
}

TEST(Mirror, AnswersNotFoundForWhatItDoesNotMirror) {
  SiteFixture site;

  for (const char* path : {"/v2/x", "/v2//", "/v2///", "/v2/manifests/1", "/v2/app/layers/1", "/v2/app/tags/all"}) {
    const auto answer = site.get(path);
    EXPECT_EQ(answer.head.status, 404) << path;
    EXPECT_THAT(answer.body, HasSubstr("UNSUPPORTED")) << path;
  }
}

TEST(Mirror, AnswersNotFoundForARegistryThatIsNotConfigured) {
  SiteFixture site;

  const auto answer = site.get("/v2/app/manifests/1?ns=elsewhere.test");

  EXPECT_EQ(answer.head.status, 404);
  EXPECT_THAT(answer.body, HasSubstr("elsewhere.test"));
}

TEST(Mirror, KnowsARepositoryCalledManifests) {
  SiteFixture site;
  const Digest digest = site.upstream.add_manifest(R"({"schemaVersion":2,"manifests":[]})", "");
  site.upstream.set_tag("a/manifests/b", "1", digest);

  EXPECT_EQ(site.get("/v2/a/manifests/b/manifests/1").head.status, 200);
}

TEST(Mirror, StopsWhileTheRegistryHangs) {
  SiteFixture site;
  site.upstream.hang("/");
  RawConnection manifest(site.server->port()), size(site.server->port());
  manifest.send("GET /v2/app/manifests/1 HTTP/1.0\r\n\r\n");
  size.send(str_cat("HEAD /v2/app/blobs/sha256:", std::string(64, 'a'), " HTTP/1.0\r\n\r\n"));
  site.upstream.wait_for_request("/manifests/");
  site.upstream.wait_for_request("/blobs/");

  site.stop();

  EXPECT_THAT(manifest.read_to_end(), ::testing::AnyOf("", StartsWith("HTTP/1.1 503 ")));
}

TEST(Mirror, NeverAsksAClientForItsCredentials) {
  SiteFixture site;
  site.upstream.want_basic();
  site.upstream.accept_password("somebody", "else");

  const auto answer = site.manifest("1");

  EXPECT_EQ(answer.head.status, 404);
  EXPECT_FALSE(answer.head.headers.find("WWW-Authenticate").has_value());
  EXPECT_THAT(answer.body, HasSubstr(R"("code":"UNAUTHORIZED")"));
}

}  // namespace
}  // namespace samara::registry_proxy
