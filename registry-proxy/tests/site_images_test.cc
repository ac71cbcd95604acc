#include <gmock/gmock.h>

#include "base/file.h"
#include "base/text.h"
#include "cache_index/hasher.h"
#include "registry_proxy/manifests.h"
#include "site_fixture.h"

/// What a site says of its images, and what it removes.
namespace samara::registry_proxy {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kManifestType = "application/vnd.oci.image.manifest.v1+json";

Digest digest_of(std::string_view text) { return cache_index::sha256(as_bytes(text)); }

std::string descriptor(std::string_view type, const Digest& digest) {
  return str_cat(R"({"mediaType":"application/vnd.oci.image.)", type, R"(","digest":")", digest.to_string(), R"(","size":2})");
}

/// Two images of one repository, that have their config and a layer of their own each, as objects.
class SiteImagesTest : public ::testing::Test {
 protected:
  SiteImagesTest() {
    for (const char* tag : {"1", "2"}) add(tag, "config.v1+json", str_cat("layer ", tag));
  }
  Digest add(const std::string& tag, const std::string& config_type, const std::string& layer) {
    const std::string config = str_cat("config of ", tag);
    const std::string manifest =
        str_cat(R"({"schemaVersion":2,"mediaType":")", kManifestType, R"(","config":)", descriptor(config_type, digest_of(config)),
                R"(,"layers":[)", descriptor("layer.v1.tar+gzip", digest_of(layer)), "]}");
    for (const std::string& bytes : {config, manifest, layer}) EXPECT_TRUE(site_.cache->put_object(digest_of(bytes), as_bytes(bytes)).ok());
    const Digest digest = digest_of(manifest);
    EXPECT_TRUE(site_.cache->store().write({{"manifests", digest.key(), kManifestType}, {"tags", "fake.test/app:" + tag, digest.to_string() + " 0"}}).ok());
    return digest;
  }
  std::string list(const std::string& query = "") { return site_.get("/samara/v1/images" + query).body; }

  SiteFixture site_;
};

TEST_F(SiteImagesTest, ListsWhatItsTagsName) {
  const std::string all = list(), one = list("?name=fake.test/app:1");

  EXPECT_THAT(all, HasSubstr(R"("name":"fake.test/app:1")"));
  EXPECT_THAT(all, HasSubstr(R"("name":"fake.test/app:2")"));
  EXPECT_THAT(one, Not(HasSubstr("app:2")));
  EXPECT_THAT(one, HasSubstr(digest_of("layer 1").to_string()));
  EXPECT_EQ(site_.get("/samara/v1/images?name=fake.test/app:3").head.status, 404);
}

TEST_F(SiteImagesTest, RemovesOneImageAlone) {
  const auto planned = site_.get("/samara/v1/images?name=fake.test/app:1&plan=1", "", "DELETE");
  const bool still = site_.cache->has_object(digest_of("layer 1"));
  const auto removed = site_.get("/samara/v1/images?name=fake.test/app:1", "", "DELETE");

  EXPECT_EQ(planned.head.status, 200) << planned.body;
  EXPECT_TRUE(still);
  EXPECT_EQ(removed.head.status, 200) << removed.body;
  EXPECT_THAT(removed.body, HasSubstr("fake.test/app:1"));
  EXPECT_FALSE(site_.cache->has_object(digest_of("layer 1")));
  EXPECT_TRUE(site_.cache->has_object(digest_of("layer 2")));
  EXPECT_EQ(site_.get("/samara/v1/images?name=fake.test/app:1", "", "DELETE").head.status, 404);
}

TEST_F(SiteImagesTest, RefusesToRemoveWhatIsPinned) {
  ASSERT_EQ(site_.get("/samara/v1/pins?name=fake.test/app:1&reason=a%20batch", "", "PUT").head.status, 200);

  const auto refused = site_.get("/samara/v1/images?name=fake.test/app:1", "", "DELETE");

  EXPECT_EQ(refused.head.status, 409);
  EXPECT_THAT(refused.body, HasSubstr("a batch"));
}

TEST_F(SiteImagesTest, PrunesWhatNobodyPins) {
  ASSERT_EQ(site_.get("/samara/v1/pins?name=fake.test/app:2", "", "PUT").head.status, 200);

  const auto pruned = site_.get("/samara/v1/images/prune?unused_seconds=0", "", "POST");

  EXPECT_EQ(pruned.head.status, 200);
  EXPECT_THAT(pruned.body, HasSubstr(R"("images":["fake.test/app:1"])"));
  EXPECT_FALSE(site_.cache->has_object(digest_of("layer 1")));
  EXPECT_TRUE(site_.cache->has_object(digest_of("layer 2")));
  EXPECT_EQ(site_.get("/samara/v1/images/prune?unused_seconds=soon", "", "POST").head.status, 400);
  EXPECT_EQ(site_.get("/samara/v1/images/prune").head.status, 405);
}

TEST_F(SiteImagesTest, ASignatureIsItsImages) {
  const auto of_one = Digest::parse(site_.cache->store().get("tags", "fake.test/app:1")->substr(0, 71));
  ASSERT_TRUE(of_one.ok());
  add(str_cat("sha256-", of_one->hex(), ".sig"), "config.v1+json", "the payload");

  const std::string all = list();
  site_.get("/samara/v1/images?name=fake.test/app:2", "", "DELETE");
  const bool kept = site_.cache->has_object(digest_of("the payload"));
  site_.get("/samara/v1/images?name=fake.test/app:1", "", "DELETE");

  EXPECT_THAT(all, Not(HasSubstr(".sig")));
  EXPECT_TRUE(kept);
  EXPECT_FALSE(site_.cache->has_object(digest_of("the payload")));
}

TEST_F(SiteImagesTest, AnImagePulledByDigestHasThatForAName) {
  const Digest manifest = add("gone", "config.v1+json", "layer of gone");
  const auto read = site_.manifests.read_imported(manifest, kManifestType);
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_TRUE(site_.manifests.name_imported(site_.repository(), Reference{"", manifest}, *read).ok());
  ASSERT_TRUE(site_.cache->store().write({{"tags", "fake.test/app:gone", std::nullopt}}).ok());
  const std::string name = "fake.test/app@" + manifest.to_string();

  EXPECT_THAT(list(), HasSubstr(name));
  EXPECT_EQ(site_.get("/samara/v1/images?name=" + name, "", "DELETE").head.status, 200);
  EXPECT_THAT(list(), Not(HasSubstr(name)));
}

}  // namespace
}  // namespace samara::registry_proxy
