#include "registry_proxy/site_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "cache_index/hasher.h"
#include "site_fixture.h"
#include "tar_builder.h"

namespace samara::registry_proxy {
namespace {

using ::testing::HasSubstr;
using State = peer::LayerStatus::State;

class SiteApiTest : public ::testing::Test {
 protected:
  explicit SiteApiTest(ConvertPolicy policy = ConvertPolicy::kOnRequest) : site_(settings(policy)) {}

  static SiteFixture::Settings settings(ConvertPolicy policy) {
    SiteFixture::Settings settings;
    settings.upstream.convert = policy;
    return settings;
  }
  peer::LayerStatus ask(const Digest& layer, std::string_view query) {
    const auto answer = site_.get(str_cat("/samara/v1/layers/", layer.to_string(), query));
    EXPECT_EQ(answer.head.status, 200) << answer.body;
    const auto status = peer::decode_layer_status(answer.body);
    EXPECT_TRUE(status.ok()) << status.status();
    return status.ok() ? *status : peer::LayerStatus{};
  }

  const std::string tar_ = convert::TarBuilder().file("hello", std::string(200'000, 'h')).end();
  SiteFixture site_;
};

class SiteApiWithoutConversion : public SiteApiTest {
 protected:
  SiteApiWithoutConversion() : SiteApiTest(ConvertPolicy::kNever) {}
};

TEST_F(SiteApiTest, ConvertsALayerThatANodeAsksFor) {
  const std::string bytes = convert::gzip(tar_);
  const Digest layer = site_.upstream.add_blob(bytes);

  const auto before = ask(layer, "");
  const auto status = ask(layer, str_cat("?ns=fake.test&repo=app&wait=60000&size=", bytes.size()));

  EXPECT_EQ(before.state, State::kUnknown);
  ASSERT_EQ(status.state, State::kConverted) << status.error;
  EXPECT_EQ(status.record.layer, layer);
  EXPECT_EQ(status.record.layer_size, bytes.size());
}

TEST_F(SiteApiTest, GivesRangesOfIndexAndBlob) {
  const Digest layer = site_.upstream.add_blob(convert::gzip(tar_));
  const auto record = ask(layer, "?ns=fake.test&repo=app&wait=60000").record;

  const auto index = site_.get(str_cat("/samara/v1/objects/", record.index.to_string()));
  const auto blob = site_.get(str_cat("/samara/v1/objects/", record.blob.to_string()));
  const auto part = site_.get(str_cat("/samara/v1/objects/", record.blob.to_string()), "bytes=5-14");
  const auto head = site_.get(str_cat("/samara/v1/objects/", record.blob.to_string()), "", "HEAD");

  EXPECT_EQ(cache_index::sha256(as_bytes(index.body)), record.index);
  EXPECT_EQ(cache_index::sha256(as_bytes(blob.body)), record.blob);
  EXPECT_EQ(part.head.status, 206);
  EXPECT_EQ(part.body, blob.body.substr(5, 10));
  EXPECT_EQ(head.head.headers.get("Content-Length"), str_cat(record.blob_size));
}

TEST_F(SiteApiTest, ConvertsAgainWhatWasEvictedAndANodeStillReads) {
  const Digest layer = site_.upstream.add_blob(convert::gzip(tar_));
  const auto record = ask(layer, "?ns=fake.test&repo=app&wait=60000").record;
  const std::string path = str_cat("/samara/v1/objects/", record.blob.to_string());
  ASSERT_TRUE(site_.cache->remove_object(record.blob).ok());
  ASSERT_TRUE(site_.cache->remove_object(layer).ok());

  const auto gone = site_.get(path, "bytes=5-14");
  const auto status = ask(layer, "?ns=fake.test&repo=app&wait=60000");
  const auto again = site_.get(path);

  EXPECT_EQ(gone.head.status, 503);
  EXPECT_EQ(status.state, State::kConverted) << status.error;
  EXPECT_EQ(cache_index::sha256(as_bytes(again.body)), record.blob);
}

TEST_F(SiteApiTest, PinsWhatAnImageNamesUntilItIsTakenOff) {
  const Digest config = site_.upstream.add_blob("{}"), layer = site_.upstream.add_blob(convert::gzip(tar_));
  const auto descriptor = [](std::string_view type, const Digest& digest) {
    return str_cat(R"({"mediaType":"application/vnd.oci.image.)", type, R"(","digest":")", digest.to_string(), R"(","size":2})");
  };
  const std::string manifest =
      str_cat(R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":)",
              descriptor("config.v1+json", config), R"(,"layers":[)", descriptor("layer.v1.tar+gzip", layer), "]}");
  const Digest digest = cache_index::sha256(as_bytes(manifest));
  ASSERT_TRUE(site_.cache->put_object(digest, as_bytes(manifest)).ok());
  ASSERT_TRUE(site_.cache->store()
                  .write({{"manifests", digest.key(), "application/vnd.oci.image.manifest.v1+json"},
                          {"tags", "fake.test/app:1", digest.to_string() + " 0"}})
                  .ok());
  const std::string name = "/samara/v1/pins?name=fake.test/app:1";

  const auto unknown = site_.get("/samara/v1/pins?name=fake.test/other:1", "", "PUT");
  const auto added = site_.get(name + "&reason=a%20batch&seconds=3600", "", "PUT");
  const auto listed = site_.get("/samara/v1/pins");
  const auto removed = site_.get(name, "", "DELETE"), again = site_.get(name, "", "DELETE");

  EXPECT_EQ(unknown.head.status, 404);
  EXPECT_EQ(added.head.status, 200) << added.body;
  for (const Digest& member : {digest, config, layer}) EXPECT_THAT(listed.body, HasSubstr(member.to_string()));
  EXPECT_THAT(listed.body, HasSubstr("a batch"));
  EXPECT_EQ(removed.head.status, 200);
  EXPECT_EQ(again.head.status, 404);
  EXPECT_EQ(site_.get(name, "", "POST").head.status, 405);
}

TEST_F(SiteApiTest, TellsWhyALayerCantBeConverted) {
  const Digest layer = site_.upstream.add_blob("not a layer");

  const auto status = ask(layer, "?ns=fake.test&repo=app&wait=60000");

  EXPECT_EQ(status.state, State::kFailed);
  EXPECT_NE(status.error, "");
}

TEST_F(SiteApiTest, DoesNotWaitLongerThanAsked) {
  const Digest layer = site_.upstream.add_blob(convert::gzip(tar_));
  site_.upstream.hang("/blobs/");

  EXPECT_EQ(ask(layer, "?ns=fake.test&repo=app&wait=1").state, State::kConverting);
}

TEST_F(SiteApiTest, RefusesWhatIsNotAQuestionOfTheProtocol) {
  const std::string digest = cache_index::sha256({}).to_string();

  EXPECT_EQ(site_.get("/samara/v1/layers/sha256:x").head.status, 400);
  EXPECT_EQ(site_.get("/samara/v1/layers/").head.status, 400);
  EXPECT_EQ(site_.get("/samara/v2/layers/" + digest).head.status, 404);
  EXPECT_EQ(site_.get("/samara/v1/objects/" + digest).head.status, 404);
  EXPECT_EQ(site_.get("/samara/v1/layers/" + digest + "?ns=fake.test&repo=../etc").head.status, 400);
  EXPECT_EQ(site_.get("/samara/v1/objects/" + digest, "", "DELETE").head.status, 405);
}

TEST_F(SiteApiWithoutConversion, SaysThatLayersAreNotConvertedHere) {
  const Digest layer = site_.upstream.add_blob(convert::gzip(tar_));

  const auto status = ask(layer, "?ns=fake.test&repo=app&wait=60000");

  EXPECT_EQ(status.state, State::kFailed);
  EXPECT_THAT(status.error, HasSubstr("fake.test"));
  EXPECT_EQ(site_.upstream.requests("GET", "/blobs/"), 0);
}

}  // namespace
}  // namespace samara::registry_proxy
