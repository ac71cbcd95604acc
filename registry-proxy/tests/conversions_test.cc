#include "registry_proxy/conversions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>

#include "base/text.h"
#include "cache_index/tar_stream.h"
#include "site_fixture.h"
#include "tar_builder.h"

namespace samara::registry_proxy {
namespace {

using convert::TarBuilder;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using State = peer::LayerStatus::State;

constexpr milliseconds kPatience{60'000};

FakeUpstream::Layer layer_of(std::string_view name, std::string_view content) {
  const std::string tar = TarBuilder().directory("etc/").file(str_cat("etc/", name), content).end();
  return {convert::gzip(tar), tar};
}

SiteFixture::Settings converting() { return {}; }

// The layer's tar, told again from what the cache holds of it.
std::string tar_of(cache_index::Cache& cache, const cache_index::LayerRecord& record) {
  const auto index = cache_index::IndexReader::open(cache.object_path(record.index));
  const auto blob = cache.open_object(record.blob);
  EXPECT_TRUE(index.ok() && blob.ok()) << index.status() << blob.status();
  if (!index.ok() || !blob.ok()) return {};
  std::string tar;
  const absl::Status status =
      cache_index::replay_tar(**index, cache_index::blob_file_source(blob->fd.get()), [&](auto bytes) {
        tar += as_text(bytes);
        return absl::OkStatus();
      });
  EXPECT_TRUE(status.ok()) << status;
  return tar;
}

TEST(Conversions, ConvertAnImagesLayersWhenItsManifestIsPulled) {
  SiteFixture site(converting());
  const auto bottom = layer_of("a", "alpha"), top = layer_of("b", std::string(500'000, 'b'));
  const auto image = site.upstream.add_image("app", "1", {bottom, top});

  site.manifest("1");

  for (std::size_t i = 0; i < 2; ++i) {
    const auto status = site.conversions.status(image.layers[i], kPatience);
    ASSERT_EQ(status.state, State::kConverted) << status.error;
    EXPECT_EQ(status.record.layer, image.layers[i]);
    EXPECT_EQ(tar_of(*site.cache, status.record), i == 0 ? bottom.tar : top.tar);
  }
  EXPECT_EQ(site.upstream.requests("GET", image.layers[0].to_string()), 1);
}

TEST(Conversions, MakeTheSameOfALayerWhoseContentIsKnown) {
  const std::string content(700'000, 'c');
  const auto first = layer_of("first", content), second = layer_of("second", content);
  SiteFixture fresh(converting()), knowing(converting());
  const auto alone = fresh.upstream.add_image("app", "1", {second});
  const auto both = knowing.upstream.add_image("app", "1", {first, second});

  fresh.manifest("1");
  knowing.manifest("1");
  const auto anew = fresh.conversions.status(alone.layers[0], kPatience);
  ASSERT_EQ(knowing.conversions.status(both.layers[0], kPatience).state, State::kConverted);
  const auto known = knowing.conversions.status(both.layers[1], kPatience);

  EXPECT_EQ(known.record.index, anew.record.index);
  EXPECT_EQ(known.record.blob, anew.record.blob);
}

TEST(Conversions, ShareADownloadWithWhoeverPulls) {
  SiteFixture site(converting());
  const auto layer = layer_of("a", std::string(1'000'000, 'a'));
  const auto image = site.upstream.add_image("app", "1", {layer});
  site.upstream.pause_blob(image.layers[0], 100);
  site.manifest("1");
  site.upstream.wait_for_request(image.layers[0].to_string());

  site.upstream.release();
  const auto pulled = site.blob(image.layers[0]);
  const auto status = site.conversions.status(image.layers[0], kPatience);

  EXPECT_EQ(pulled.body, layer.bytes);
  EXPECT_EQ(status.state, State::kConverted) << status.error;
  EXPECT_EQ(site.upstream.requests("GET", image.layers[0].to_string()), 1);
}

TEST(Conversions, TellHowFarALayerIs) {
  SiteFixture site(converting());
  const auto layer = layer_of("a", std::string(1'000'000, 'a'));
  const auto image = site.upstream.add_image("app", "1", {layer});
  site.upstream.hang(image.layers[0].to_string());

  site.manifest("1");
  const auto status = site.conversions.status(image.layers[0]);

  EXPECT_EQ(status.state, State::kConverting);
  EXPECT_EQ(status.bytes_done, 0u);
  EXPECT_EQ(status.bytes_total, layer.bytes.size());
}

TEST(Conversions, ConvertALayerOnce) {
  SiteFixture site(converting());
  const auto layer = layer_of("a", "alpha");
  const auto image = site.upstream.add_image("app", "1", {layer, layer});
  site.manifest("1");
  ASSERT_EQ(site.conversions.status(image.layers[0], kPatience).state, State::kConverted);

  site.manifest("1");
  site.conversions.convert_layer({site.repository(), image.layers[0], std::nullopt});

  EXPECT_EQ(site.conversions.status(image.layers[0]).state, State::kConverted);
  EXPECT_THAT(site.metrics.expose(), HasSubstr("samara_site_layers_total{result=\"converted\"} 1\n"));
}

TEST(Conversions, ConvertALayerThatIsAlreadyInTheCache) {
  SiteFixture site;
  const auto layer = layer_of("a", "alpha");
  const Digest digest = site.upstream.add_blob(layer.bytes);
  site.blob(digest);

  site.conversions.convert_layer({site.repository(), digest, std::nullopt});
  const auto status = site.conversions.status(digest, kPatience);

  ASSERT_EQ(status.state, State::kConverted) << status.error;
  EXPECT_EQ(tar_of(*site.cache, status.record), layer.tar);
  EXPECT_EQ(site.upstream.requests("GET", "/blobs/"), 1);
}

TEST(Conversions, RefuseALayerThatIsNotWhatItsConfigSays) {
  SiteFixture site(converting());
  auto layer = layer_of("a", "alpha");
  layer.tar = "another tar";
  const auto image = site.upstream.add_image("app", "1", {layer});

  site.manifest("1");
  const auto status = site.conversions.status(image.layers[0], kPatience);

  EXPECT_EQ(status.state, State::kFailed);
  EXPECT_NE(status.error, "");
  EXPECT_FALSE(site.cache->layer(image.layers[0]).ok());
}

TEST(Conversions, NameTheReasonForEachKindOfBadLayer) {
  SiteFixture site(converting());
  const std::string tar = TarBuilder().file("a", std::string(100'000, 'a')).end();
  const std::string gzip = convert::gzip(tar);
  auto odd = layer_of("odd", "x");
  odd.media_type = "application/vnd.oci.image.layer.v1.tar+encrypted";
  const FakeUpstream::Layer cut{gzip.substr(0, gzip.size() / 2), tar}, noise{"this is no tar, and no gzip", "noise"};
  const auto image = site.upstream.add_image("app", "1", {odd, cut, noise});
  const Digest corrupt = site.upstream.add_blob(gzip);
  site.upstream.corrupt_blob(corrupt);

  site.manifest("1");
  site.conversions.convert_layer({site.repository(), corrupt, std::nullopt});

  EXPECT_THAT(site.conversions.status(image.layers[0], kPatience).error, HasSubstr("encrypted"));
  EXPECT_EQ(site.conversions.status(image.layers[1], kPatience).state, State::kFailed);
  EXPECT_EQ(site.conversions.status(image.layers[2], kPatience).state, State::kFailed);
  EXPECT_EQ(site.conversions.status(corrupt, kPatience).state, State::kFailed);
  EXPECT_TRUE(site.cache->layers()->empty());
}

TEST(Conversions, LeaveForeignLayersToTheClient) {
  SiteFixture site(converting());
  const auto image = site.upstream.add_image(
      "app", "1", {{"elsewhere", "tar", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"}, layer_of("own", "x")});

  site.manifest("1");

  EXPECT_THAT(site.conversions.status(image.layers[0], kPatience).error, HasSubstr("foreign"));
  EXPECT_EQ(site.conversions.status(image.layers[1], kPatience).state, State::kConverted);
  EXPECT_EQ(site.upstream.requests("GET", image.layers[0].to_string()), 0);
}

TEST(Conversions, RememberAFailureForAWhile) {
  SiteFixture site(converting());
  const Digest layer = site.upstream.add_blob("no layer");
  const BlobRef ref{site.repository(), layer, std::nullopt};
  site.conversions.convert_layer(ref);
  ASSERT_EQ(site.conversions.status(layer, kPatience).state, State::kFailed);

  site.conversions.convert_layer(ref);
  EXPECT_EQ(site.conversions.status(layer).state, State::kFailed);
  site.clock.advance(seconds(601));

  EXPECT_EQ(site.conversions.status(layer).state, State::kUnknown);
}

TEST(Conversions, TryAgainSoonAfterAnOutage) {
  SiteFixture site(converting());
  const auto layer = layer_of("a", "alpha");
  const Digest digest = site.upstream.add_blob(layer.bytes);
  site.upstream.answer("/blobs/", 503);
  site.conversions.convert_layer({site.repository(), digest, std::nullopt});
  ASSERT_EQ(site.conversions.status(digest, kPatience).state, State::kFailed);

  site.upstream.answer("/blobs/", 0);
  site.clock.advance(seconds(11));
  site.conversions.convert_layer({site.repository(), digest, std::nullopt});

  EXPECT_EQ(site.conversions.status(digest, kPatience).state, State::kConverted);
}

TEST(Conversions, DropALayerThatWasAlteredInTheCache) {
  SiteFixture site;
  const auto layer = layer_of("a", "alpha");
  const Digest digest = site.upstream.add_blob(layer.bytes);
  site.blob(digest);
  const auto fd = open_file(site.cache->object_path(digest), O_WRONLY);
  ASSERT_TRUE(fd.ok());
  ASSERT_TRUE(pwrite_all(fd->get(), as_bytes("X"), 9).ok());  // the gzip header's OS byte: still a good gzip

  site.conversions.convert_layer({site.repository(), digest, std::nullopt});
  const auto status = site.conversions.status(digest, kPatience);

  EXPECT_EQ(status.state, State::kFailed);
  EXPECT_FALSE(site.cache->has_object(digest));
}

TEST(Conversions, LeaveAnArtifactAlone) {
  SiteFixture site(converting());
  const Digest layer = site.upstream.add_blob("data"), config = site.upstream.add_blob("{}");
  const auto descriptor = [](std::string_view type, const Digest& digest, int size) {
    return str_cat(R"({"mediaType":")", type, R"(","digest":")", digest.to_string(), R"(","size":)", size, "}");
  };
  const Digest artifact = site.upstream.add_manifest(
      str_cat(R"({"schemaVersion":2,"config":)", descriptor("application/vnd.oci.empty.v1+json", config, 2),
              R"(,"layers":[)", descriptor("application/x", layer, 4), "]}"),
      "application/vnd.oci.image.manifest.v1+json");

  EXPECT_EQ(site.manifest(artifact.to_string()).head.status, 200);

  EXPECT_EQ(site.conversions.status(layer).state, State::kUnknown);
}

TEST(Conversions, StopWithLayersUnderWay) {
  SiteFixture site(converting());
  const auto image = site.upstream.add_image("app", "1", {layer_of("a", "x"), layer_of("b", "y"), layer_of("c", "z")});
  for (const Digest& layer : image.layers) site.upstream.hang(layer.to_string());
  site.manifest("1");
  site.upstream.wait_for_request(image.layers[0].to_string());

  site.conversions.stop();

  EXPECT_NE(site.conversions.status(image.layers[0], kPatience).state, State::kConverted);
}

}  // namespace
}  // namespace samara::registry_proxy
