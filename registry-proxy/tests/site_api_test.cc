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
