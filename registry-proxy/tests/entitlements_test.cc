#include "registry_proxy/entitlements.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "cache_index/hasher.h"
#include "site_fixture.h"
#include "tar_builder.h"

namespace samara::registry_proxy {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kMe = "Basic bWU6aHVudGVyMg==";       // me:hunter2
constexpr const char* kStranger = "Basic eW91OnNlY3JldA==";  // you:secret

// A site over a registry whose repository "app" is for "me" alone, with an image of one layer tagged "1".
class EntitlementsTest : public ::testing::Test {
 protected:
  static SiteFixture::Settings checked() {
    SiteFixture::Settings settings;
    settings.upstream = UpstreamConfig{};
    settings.upstream.convert = ConvertPolicy::kNever;
    return settings;
  }
  void start(SiteFixture::Settings settings = checked()) {
    site_ = std::make_unique<SiteFixture>(std::move(settings));
    image_ = site_->upstream.add_image("app", "1", {{layer_, tar_}});
    site_->upstream.make_private("app", "me", "hunter2");
  }
  void start_with_credentials(Share share) {
    SiteFixture::Settings settings = checked();
    settings.upstream.share = share;
    settings.upstream.username = "me";
    settings.upstream.password_file = directory_.path() + "/password";
    ASSERT_TRUE(write_file_atomic(settings.upstream.password_file, "hunter2").ok());
    start(settings);
  }
  http::Response get(const std::string& path, const std::string& authorization = "", const std::string& method = "GET") {
    http::ClientRequest request;
    request.method = method;
    request.url = site_->url() + path;
    if (!authorization.empty()) request.headers.add("Authorization", authorization);
    const auto response = site_->client.get(request);
    return response.ok() ? *response : http::Response{};
  }
  http::Response manifest(const std::string& authorization = "", const std::string& reference = "1") {
    return get("/v2/app/manifests/" + reference, authorization);
  }
  http::Response blob(const Digest& digest, const std::string& authorization = "", const std::string& repository = "app") {
    return get(str_cat("/v2/", repository, "/blobs/", digest.to_string()), authorization);
  }
  peer::LayerStatus layer_status(const std::string& repository = "app") {
    const auto answer = get(str_cat("/samara/v1/layers/", image_.layers[0].to_string(), "?ns=fake.test&repo=", repository, "&wait=60000"));
    const auto status = peer::decode_layer_status(answer.body);
    return status.ok() ? *status : peer::LayerStatus{};
  }
  void pull_as_me() {
    ASSERT_EQ(manifest(kMe).head.status, 200);
    ASSERT_EQ(blob(image_.layers[0], kMe).head.status, 200);
  }

  const TempDir directory_ = *TempDir::create("entitled");
  const std::string tar_ = convert::TarBuilder().file("hello", std::string(100'000, 'h')).end();
  const std::string layer_ = convert::gzip(tar_);
  std::unique_ptr<SiteFixture> site_;
  FakeUpstream::Image image_;
};

TEST_F(EntitlementsTest, OfAPrivateLayerOnlyTheNodeThatWasToldOfItMayReadFromOthers) {
  SiteFixture::Settings settings = checked();
  settings.upstream.convert = ConvertPolicy::kOnRequest;
  start(settings);
  pull_as_me();
  const auto status = layer_status();
  ASSERT_EQ(status.state, peer::LayerStatus::State::kConverted) << status.error;
  http::Request node, stranger;
  node.peer = "127.0.0.1:1000";  // which has brought the pull, and asked
  stranger.peer = "10.0.0.1:1000";

  EXPECT_TRUE(site_->site_api.may_have(node, status.record.blob));
  EXPECT_FALSE(site_->site_api.may_have(stranger, status.record.blob));
  EXPECT_FALSE(site_->site_api.may_have(node, image_.config));
}

TEST_F(EntitlementsTest, OfAPublicLayerEveryNodeMayReadFromOthers) {
  SiteFixture::Settings settings = checked();
  settings.upstream.convert = ConvertPolicy::kOnRequest;
  start(settings);
  const auto status = layer_status("open");
  ASSERT_EQ(status.state, peer::LayerStatus::State::kConverted) << status.error;
  http::Request other;
  other.peer = "10.0.0.1:1000";

  EXPECT_TRUE(site_->site_api.may_have(other, status.record.blob));
}

TEST(LayerGrants, RunOutAndAreDropped) {
  const TempDir directory = *TempDir::create("grants");
  const auto store = *cache_index::Store::open(directory.path() + "/db", LayerGrants::tables());
  FakeClock clock;
  const Digest blob = cache_index::sha256(as_bytes("blob"));
  LayerGrants grants(*store, clock, hours(24));

  grants.note("cert a", blob);
  EXPECT_TRUE(grants.may_have("cert a", blob));
  EXPECT_FALSE(grants.may_have("cert b", blob));
  clock.advance(hours(24));
  EXPECT_FALSE(grants.may_have("cert a", blob));

  const LayerGrants later(*store, clock, hours(24));
  int rows = 0;
  ASSERT_TRUE(store->scan("layer_grants", "", [&](auto, auto) { return ++rows > 0; }).ok());
  EXPECT_EQ(rows, 0);
}

TEST_F(EntitlementsTest, GivesAStrangerNothingOfACachedPrivateImage) {
  start();
  pull_as_me();

  for (const char* who : {"", kStranger, "Basic Og==", "Bearer token1"}) {
    for (const auto& answer : {manifest(who), manifest(who, image_.manifest.to_string()), blob(image_.layers[0], who),
                               blob(image_.config, who), get("/v2/app/tags/list", who),
                               get("/v2/app/referrers/" + image_.manifest.to_string(), who)}) {
      EXPECT_EQ(answer.head.status, 401) << who;
      EXPECT_EQ(answer.head.headers.get("WWW-Authenticate"), "Basic realm=\"fake.test\"") << who;
      EXPECT_THAT(answer.body, HasSubstr("UNAUTHORIZED"));
    }
    EXPECT_THAT(get("/v2/_catalog?ns=fake.test", who).body, Not(HasSubstr("app"))) << who;
  }
}

TEST_F(EntitlementsTest, GivesTheOwnerWhatIsCachedWithoutAskingAgain) {
  start();
  pull_as_me();
  site_->upstream.answer("/", 500);

  EXPECT_EQ(manifest(kMe).head.status, 200);
  EXPECT_EQ(blob(image_.layers[0], kMe).body, layer_);
  EXPECT_THAT(get("/v2/_catalog?ns=fake.test", kMe).body, HasSubstr("app"));
}

TEST_F(EntitlementsTest, AsksTheRegistryAgainWhenAGrantsTimeIsOver) {
  start();
  pull_as_me();
  site_->upstream.make_private("app", "me", "changed");

  EXPECT_EQ(blob(image_.layers[0], kMe).head.status, 200);
  site_->clock.advance(hours(2));
  EXPECT_EQ(blob(image_.layers[0], kMe).head.status, 401);
  site_->upstream.answer("/", 500);
  EXPECT_NE(blob(image_.layers[0], kMe).head.status, 200);  // what was taken back stays so
}

TEST_F(EntitlementsTest, ServesGrantsThatAreOverWhileTheRegistryIsAwayUpToALimit) {
  auto settings = checked();
  settings.upstream.grant_stale = hours(24);
  start(settings);
  pull_as_me();
  site_->upstream.answer("/", 500);

  site_->clock.advance(hours(20));
  EXPECT_EQ(blob(image_.layers[0], kMe).head.status, 200);
  EXPECT_NE(blob(image_.layers[0], kStranger).head.status, 200);
  EXPECT_NE(blob(image_.layers[0]).head.status, 200);
  site_->clock.advance(hours(6));
  EXPECT_EQ(blob(image_.layers[0], kMe).head.status, 502);
}

TEST_F(EntitlementsTest, RefusesGrantsThatAreOverWhereThePolicySaysSo) {
  auto settings = checked();
  settings.upstream.when_away = WhenAway::kRefuse;
  start(settings);
  pull_as_me();
  site_->upstream.answer("/", 500);

  EXPECT_EQ(blob(image_.layers[0], kMe).head.status, 200);
  site_->clock.advance(hours(2));
  EXPECT_EQ(blob(image_.layers[0], kMe).head.status, 502);
}

TEST_F(EntitlementsTest, ServesWhatIsPublicForEverWhileTheRegistryIsAway) {
  start();
  site_->upstream.add_image("open", "1", {{layer_, tar_}});
  ASSERT_EQ(get("/v2/open/manifests/1").head.status, 200);
  site_->upstream.answer("/", 500);
  site_->clock.advance(hours(24 * 365));

  EXPECT_EQ(get("/v2/open/manifests/1").head.status, 200);
  EXPECT_EQ(get("/v2/open/manifests/1", kStranger).head.status, 200);
}

TEST_F(EntitlementsTest, AsksOnceWhetherARepositoryIsPublic) {
  start();
  site_->upstream.add_image("open", "1", {{layer_, tar_}});
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(get("/v2/open/manifests/1").head.status, 200);
    EXPECT_EQ(blob(image_.layers[0], kStranger, "open").head.status, 200);
  }

  EXPECT_EQ(site_->upstream.requests("HEAD", "/v2/open/"), 1);
  EXPECT_EQ(site_->upstream.requests("GET", "/v2/open/"), 2);
}

TEST_F(EntitlementsTest, GivesABlobOnlyThroughARepositoryThatHasIt) {
  start();
  site_->upstream.add_image("open", "1", {{"other bytes", "other bytes"}});
  pull_as_me();
  site_->upstream.answer("/v2/open/blobs/" + image_.layers[0].to_string(), 404);
  site_->upstream.answer("/v2/open/manifests/" + image_.manifest.to_string(), 404);
  ASSERT_EQ(get("/v2/open/manifests/1").head.status, 200);

  EXPECT_EQ(blob(image_.layers[0], "", "open").head.status, 404);
  EXPECT_EQ(get("/v2/open/manifests/" + image_.manifest.to_string()).head.status, 404);
}

TEST_F(EntitlementsTest, AsksOnceWhetherAnotherRepositoryHasABlobToo) {
  start();
  site_->upstream.add_image("open", "1", {{"other bytes", "other bytes"}});
  ASSERT_EQ(get("/v2/open/manifests/1").head.status, 200);
  pull_as_me();
  const int before = site_->upstream.requests("GET", "/blobs/");

  EXPECT_EQ(blob(image_.layers[0], "", "open").body, layer_);
  EXPECT_EQ(blob(image_.layers[0], "", "open").body, layer_);

  EXPECT_EQ(site_->upstream.requests("HEAD", "/v2/open/blobs/"), 1);
  EXPECT_EQ(site_->upstream.requests("GET", "/blobs/"), before);
}

TEST_F(EntitlementsTest, LetsNobodyFollowADownloadOfAnotherRepository) {
  start();
  site_->upstream.add_image("open", "1", {{"other bytes", "other bytes"}});
  ASSERT_EQ(get("/v2/open/manifests/1").head.status, 200);
  site_->upstream.answer("/v2/open/blobs/" + image_.layers[0].to_string(), 404);
  site_->upstream.pause_blob(image_.layers[0], 10);
  ASSERT_EQ(manifest(kMe).head.status, 200);
  std::jthread owner([&] { EXPECT_EQ(blob(image_.layers[0], kMe).body, layer_); });
  site_->upstream.wait_for_gets("/v2/app/blobs/");

  EXPECT_EQ(blob(image_.layers[0], "", "open").head.status, 404);

  site_->upstream.release();
}

TEST_F(EntitlementsTest, SharesWhatTheSitesOwnCredentialMayRead) {
  start_with_credentials(Share::kEveryone);

  EXPECT_EQ(manifest().head.status, 200);
  EXPECT_EQ(blob(image_.layers[0]).body, layer_);
  EXPECT_EQ(blob(image_.layers[0], kStranger).body, layer_);
}

TEST_F(EntitlementsTest, KeepsWhatTheSitesOwnCredentialMayReadForTheEntitled) {
  start_with_credentials(Share::kEntitled);

  EXPECT_EQ(manifest().head.status, 401);
  EXPECT_EQ(manifest(kStranger).head.status, 401);
  EXPECT_EQ(manifest(kMe).head.status, 200);
  EXPECT_EQ(blob(image_.layers[0]).head.status, 401);
}

TEST_F(EntitlementsTest, GivesTheReadersOfThePolicyWhatTheOwnerHasBrought) {
  auto settings = checked();
  settings.upstream.readers = {{"ci", "app"}, {"batch", "team/*"}};
  start(settings);
  pull_as_me();
  const auto as = [&](const char* client, const std::string& path) {
    return site_->ask(path, {{"Test-Client", client}}).head.status;
  };
  const std::string by_digest = str_cat("/v2/app/manifests/", image_.manifest.to_string());
  const std::string layer = str_cat("/v2/app/blobs/", image_.layers[0].to_string());

  for (const std::string& path : {std::string("/v2/app/manifests/1"), by_digest, layer}) {
    EXPECT_EQ(as("ci", path), 200) << path;
    EXPECT_EQ(as("batch", path), 401) << path;
    EXPECT_EQ(as("", path), 401) << path;
  }
  site_->upstream.answer("/v2/", 500);
  EXPECT_EQ(as("ci", layer), 200);
}

TEST_F(EntitlementsTest, ShowsARepositoryInListsOnlyToWhoMayReadIt) {
  auto settings = checked();
  settings.upstream.readers = {{"ci", "app"}};
  start(settings);
  pull_as_me();
  const auto catalog = [&](const SiteFixture::Fields& fields) { return site_->ask("/v2/_catalog", fields).body; };

  EXPECT_THAT(catalog({}), Not(HasSubstr("app")));
  EXPECT_THAT(catalog({{"Authorization", kStranger}}), Not(HasSubstr("app")));
  EXPECT_THAT(catalog({{"Authorization", kMe}}), HasSubstr("app"));
  EXPECT_THAT(catalog({{"Test-Client", "ci"}}), HasSubstr("app"));
  site_->upstream.set_referrers(image_.manifest, R"({"schemaVersion":2,"manifests":[]})");
  for (const std::string& list : {std::string("/v2/app/tags/list"), str_cat("/v2/app/referrers/", image_.manifest.to_string())}) {
    EXPECT_EQ(get(list).head.status, 401) << list;
    EXPECT_EQ(get(list, kStranger).head.status, 401) << list;
    EXPECT_EQ(get(list, kMe).head.status, 200) << list;
  }
}

TEST(Reader, IsOfARepositoryOrOfAllBelowAName) {
  const Reader one{"ci", "team/app"}, below{"ci", "team/*"}, all{"ci", "*"}, whoever{"*", "base"};

  EXPECT_TRUE(one.includes("ci", "team/app"));
  EXPECT_FALSE(one.includes("ci", "team/app2"));
  EXPECT_FALSE(one.includes("", "team/app"));
  EXPECT_TRUE(below.includes("ci", "team/app"));
  EXPECT_FALSE(below.includes("ci", "teams/app"));
  EXPECT_TRUE(all.includes("ci", "anything"));
  EXPECT_FALSE(all.includes("other", "anything"));
  EXPECT_TRUE(whoever.includes("", "base"));
}

TEST_F(EntitlementsTest, TriesARefusedCredentialNoMoreForAMoment) {
  start();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(manifest(kStranger).head.status, 401);
  const int tried = site_->upstream.requests("HEAD", "/manifests/1");
  site_->clock.advance(seconds(11));
  EXPECT_EQ(manifest(kStranger).head.status, 401);

  EXPECT_EQ(tried, 3);  // anonymously, and with the credential: once to learn what is wanted, once with it
  EXPECT_GT(site_->upstream.requests("HEAD", "/manifests/1"), tried);
}

TEST_F(EntitlementsTest, KeepsNoCredentialAndNoPlainHashOfOne) {
  start();
  pull_as_me();

  std::string rows;
  ASSERT_TRUE(site_->cache->store().scan("entitlements", "", [&](auto key, auto value) {
    str_append(&rows, key, " ", value, "\n");
    return true;
  }).ok());
  EXPECT_THAT(rows, HasSubstr("g "));
  for (const std::string& secret : {std::string("hunter2"), std::string("bWU6aHVudGVyMg"),
                                    cache_index::sha256(as_bytes("me:hunter2")).hex()})
    EXPECT_THAT(rows, Not(HasSubstr(secret)));
}

TEST_F(EntitlementsTest, AsksClientsToLogInWhereTheSiteSaysSo) {
  auto settings = checked();
  settings.mirror.ask_to_log_in = true;
  start(settings);

  EXPECT_EQ(get("/v2/").head.status, 401);
  EXPECT_EQ(get("/v2/", kMe).head.status, 200);
  EXPECT_EQ(get("/v2/", "Basic Og==").head.status, 200);
}

TEST_F(EntitlementsTest, SaysNothingOfAPrivateLayerBeforeItsNodeHasPulled) {
  auto settings = checked();
  settings.upstream.convert = ConvertPolicy::kOnPull;
  start(settings);

  const auto before = layer_status();
  ASSERT_EQ(manifest(kMe).head.status, 200);
  const auto after = layer_status();

  EXPECT_EQ(before.state, peer::LayerStatus::State::kFailed);
  EXPECT_EQ(after.state, peer::LayerStatus::State::kConverted) << after.error;
  EXPECT_EQ(get("/samara/v1/objects/" + after.record.blob.to_string()).head.status, 200);
  EXPECT_EQ(get("/samara/v1/objects/" + after.record.index.to_string()).head.status, 200);
}

TEST_F(EntitlementsTest, GivesNothingOfALayerThroughARepositoryWithoutIt) {
  auto settings = checked();
  settings.upstream.convert = ConvertPolicy::kOnPull;
  start(settings);
  site_->upstream.add_image("open", "1", {{"other bytes", "other bytes"}});
  ASSERT_EQ(manifest(kMe).head.status, 200);
  ASSERT_EQ(layer_status().state, peer::LayerStatus::State::kConverted);
  ASSERT_EQ(get("/v2/open/manifests/1").head.status, 200);
  site_->upstream.answer("/v2/open/blobs/" + image_.layers[0].to_string(), 404);

  EXPECT_EQ(layer_status("open").state, peer::LayerStatus::State::kFailed);
}

TEST_F(EntitlementsTest, GivesNodesNoObjectsButThoseOfLayers) {
  start();
  pull_as_me();

  for (const Digest& digest : {image_.manifest, image_.config, image_.layers[0]})
    EXPECT_EQ(get("/samara/v1/objects/" + digest.to_string()).head.status, 404);
}

TEST_F(EntitlementsTest, RefreshesAPrivateTagForItsOwnerOnly) {
  start();
  const std::string route = "/samara/v1/tags/refresh?image=fake.test/app:1";

  EXPECT_EQ(get(route, "", "POST").head.status, 403);
  EXPECT_EQ(get(route, kStranger, "POST").head.status, 403);
  EXPECT_EQ(get(route, kMe, "POST").head.status, 200);
}

TEST_F(EntitlementsTest, CountsALaterRegistryWithTheSameBlobAsAnotherOne) {
  start();
  pull_as_me();
  const References references(site_->cache->store());

  EXPECT_TRUE(references.reachable({"fake.test", "app"}, image_.layers[0]));
  EXPECT_FALSE(references.reachable({"fake.test", "open"}, image_.layers[0]));
  EXPECT_FALSE(references.reachable({"evil.test", "app"}, image_.layers[0]));
}

TEST(References, BelievesAManifestOnlyOfWhatItsOwnRegistryHasGiven) {
  SiteFixture site;
  References references(site.cache->store());
  const Digest manifest = cache_index::sha256(as_bytes("m")), blob = cache_index::sha256(as_bytes("b"));
  Manifest naming;
  naming.config.digest = manifest;
  naming.layers = {{"", blob, 1}};
  const Repository owner{"a.test", "private"}, same{"a.test", "other"}, evil{"evil.test", "x"};
  ASSERT_TRUE(references.note_given(owner, blob).ok());

  ASSERT_TRUE(references.note_manifest(same, manifest, naming).ok());
  ASSERT_TRUE(references.note_manifest(evil, manifest, naming).ok());

  EXPECT_TRUE(references.reachable(same, blob));
  EXPECT_FALSE(references.reachable(evil, blob));
}

}  // namespace
}  // namespace samara::registry_proxy
