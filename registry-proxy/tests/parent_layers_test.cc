#include "registry_proxy/parent_layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "base/text.h"
#include "cache_index/hasher.h"
#include "sample_layer.h"
#include "site_fixture.h"
#include "tar_builder.h"

namespace samara::registry_proxy {
namespace {

using ::testing::HasSubstr;
using State = peer::LayerStatus::State;

constexpr const char* kMe = "Basic bWU6aHVudGVyMg==";  // me:hunter2

/// Blobs that came whole, as they come.
class Arrivals {
 public:
  ParentLayers::OnProgress listener() {
    return [this](const Digest& blob, bool whole) {
      const std::lock_guard lock(mutex_);
      if (whole) whole_.insert(blob);
      changed_.notify_all();
    };
  }
  void wait_for(const Digest& blob) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return whole_.contains(blob); });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<Digest> whole_;
};

/// A site that converts, and one below it that asks nobody else; the layer has about 12 chunks that don't compress.
class ParentLayersTest : public ::testing::Test {
 protected:
  static SiteFixture::Settings on_request(std::string parent = "") {
    SiteFixture::Settings settings;
    settings.upstream.convert = ConvertPolicy::kOnRequest;
    settings.parent = std::move(parent);
    return settings;
  }
  peer::LayerStatus ask(SiteFixture& site, const Digest& layer, const std::string& repository = "app") {
    const auto answer = site.get(str_cat("/samara/v1/layers/", layer.to_string(), "?ns=fake.test&repo=", repository, "&wait=60000"));
    const auto status = peer::decode_layer_status(answer.body);
    EXPECT_TRUE(status.ok()) << status.status() << answer.body;
    return status.ok() ? *status : peer::LayerStatus{};
  }
  static std::string object(const Digest& digest) { return str_cat("/samara/v1/objects/", digest.to_string()); }
  std::uint64_t crossed(SiteFixture& site) { return site.link.ledger(1).days[0].total(); }

  const std::string tar_ = convert::TarBuilder().file("data", cache_index::sample_bytes(7, 3u << 20)).end();
  const std::string bytes_ = convert::gzip(tar_);
  SiteFixture centre_{on_request()};
  const Digest layer_ = centre_.upstream.add_blob(bytes_);
};

TEST_F(ParentLayersTest, GiveRangesOfABlobWhileMostOfItIsStillAtTheParent) {
  SiteFixture edge(on_request(centre_.url()));

  const auto status = ask(edge, layer_);
  const auto at_centre = ask(centre_, layer_);
  const std::uint64_t index_only = crossed(edge);
  const auto part = edge.get(object(status.record.blob), "bytes=1000000-1000099");

  ASSERT_EQ(status.state, State::kConverted) << status.error;
  EXPECT_EQ(status.record.index, at_centre.record.index);
  EXPECT_EQ(index_only, status.record.index_size);
  EXPECT_EQ(part.head.status, 206);
  EXPECT_EQ(part.body, centre_.get(object(status.record.blob)).body.substr(1'000'000, 100));
  EXPECT_LT(crossed(edge), index_only + (1u << 20));
  EXPECT_FALSE(edge.cache->has_object(status.record.blob));
  EXPECT_EQ(edge.upstream.requests("GET", ""), 0);
}

TEST_F(ParentLayersTest, BringEachByteOnceWhoeverAsks) {
  SiteFixture edge(on_request(centre_.url()));
  const auto record = ask(edge, layer_).record;
  Arrivals arrivals;

  std::vector<std::future<http::Response>> readers;
  for (int i = 0; i < 4; ++i) readers.push_back(std::async(std::launch::async, [&] { return edge.get(object(record.blob)); }));
  edge.parent->start(arrivals.listener());
  arrivals.wait_for(record.blob);

  for (auto& reader : readers) EXPECT_EQ(cache_index::sha256(as_bytes(reader.get().body)), record.blob);
  EXPECT_EQ(crossed(edge), record.blob_size + record.index_size);
  EXPECT_TRUE(edge.cache->has_object(record.blob));
  EXPECT_FALSE(edge.parent->arriving(layer_));
  EXPECT_EQ(edge.conversions.status(layer_).state, State::kConverted);
}

TEST_F(ParentLayersTest, GoOnAfterARestartWithWhatHadCome) {
  const TempDir directory = *TempDir::create("edge");
  auto settings = on_request(centre_.url());
  settings.root = directory.path();
  cache_index::LayerRecord record;
  std::uint64_t before = 0;
  {
    SiteFixture edge(settings);
    record = ask(edge, layer_).record;
    EXPECT_EQ(edge.get(object(record.blob), "bytes=0-1499999").body.size(), 1'500'000u);
    before = crossed(edge);
  }

  SiteFixture edge(settings);
  const auto known = edge.get(object(record.blob), "bytes=0-1499999");
  const std::uint64_t after_known = crossed(edge);
  Arrivals arrivals;
  edge.parent->start(arrivals.listener());
  arrivals.wait_for(record.blob);

  EXPECT_EQ(known.body.size(), 1'500'000u);
  EXPECT_EQ(after_known, before);
  EXPECT_EQ(crossed(edge), record.blob_size + record.index_size);
}

TEST_F(ParentLayersTest, GiveWhatIsHereAndRefuseTheRestWhileTheParentIsAway) {
  SiteFixture edge(on_request(centre_.url()));
  const auto record = ask(edge, layer_).record;
  ASSERT_EQ(edge.get(object(record.blob), "bytes=0-99").head.status, 206);

  centre_.stop();

  EXPECT_EQ(edge.get(object(record.blob), "bytes=0-99").head.status, 206);
  EXPECT_EQ(edge.get(object(record.blob), "bytes=3000000-3000099").head.status, 503);
  EXPECT_FALSE(edge.link.ledger(1).up);
}

TEST_F(ParentLayersTest, FillInWhatAnotherBlobHasInPlaceOfFetchingIt) {
  const std::string more = convert::gzip(convert::TarBuilder()
                                             .file("data", cache_index::sample_bytes(7, 3u << 20))
                                             .file("more", cache_index::sample_bytes(8, 1u << 20))
                                             .end());
  const Digest next = centre_.upstream.add_blob(more);
  SiteFixture edge(on_request(centre_.url()));
  Arrivals arrivals;
  edge.parent->start(arrivals.listener());
  arrivals.wait_for(ask(edge, layer_).record.blob);
  const std::uint64_t before = crossed(edge);

  const auto record = ask(edge, next).record;
  arrivals.wait_for(record.blob);

  EXPECT_LT(crossed(edge) - before, 2u << 20);
  EXPECT_EQ(cache_index::sha256(as_bytes(edge.get(object(record.blob)).body)), record.blob);
}

TEST_F(ParentLayersTest, RefuseAnIndexThatIsNotOfTheImagesLayer) {
  SiteFixture edge(on_request(centre_.url()));
  const BlobRef layer{{"fake.test", "app"}, layer_, std::nullopt};
  std::atomic<std::uint64_t> done{0};

  const auto taken = edge.parent->take(layer, cache_index::sha256(as_bytes("another tar")), done, {});

  EXPECT_TRUE(absl::IsDataLoss(taken.status())) << taken.status();
  EXPECT_FALSE(edge.parent->arriving(layer_));
}

TEST(ParentLayersOfASiteThatDoesNotConvert, AreConvertedHereOfWhatComesByTheParent) {
  SiteFixture centre;
  const Digest layer = centre.upstream.add_blob(convert::gzip(convert::TarBuilder().file("a", "alpha").end()));
  SiteFixture::Settings settings;
  settings.parent = centre.url();
  SiteFixture edge(settings);

  edge.conversions.convert_layer({edge.repository(), layer, std::nullopt});
  const auto status = edge.conversions.status(layer, std::chrono::seconds(60));

  EXPECT_EQ(status.state, State::kConverted) << status.error;
  EXPECT_EQ(centre.upstream.requests("GET", layer.to_string()), 1);
  EXPECT_EQ(edge.upstream.requests("GET", ""), 0);
}

TEST_F(ParentLayersTest, TheLedgerShowsWhatCrossedAndWhatIsStillToCome) {
  SiteFixture edge(on_request(centre_.url()));
  const auto record = ask(edge, layer_).record;
  edge.get(object(record.blob), "bytes=0-99");

  const auto links = edge.get("/samara/v1/links");

  EXPECT_EQ(links.head.status, 200);
  EXPECT_THAT(links.body, HasSubstr(str_cat("\"index\":", record.index_size)));
  EXPECT_THAT(links.body, HasSubstr(record.blob.to_string()));
  EXPECT_THAT(centre_.get("/samara/v1/links").body, HasSubstr("[]"));
}

// ---- registries by the parent ----------------------------------------------------------------------------------

TEST_F(ParentLayersTest, ManifestsAndLayersOfARegistryComeByTheParent) {
  centre_.upstream.add_image("app", "1", {{bytes_, tar_}});
  SiteFixture edge(on_request(centre_.url()));

  const auto manifest = edge.manifest("1");
  const auto layer = edge.blob(layer_);
  const std::uint64_t once = crossed(edge);
  const auto again = edge.blob(layer_);

  EXPECT_EQ(manifest.head.status, 200) << manifest.body;
  EXPECT_EQ(layer.body, bytes_);
  EXPECT_EQ(again.body, bytes_);
  EXPECT_EQ(crossed(edge), once);
  EXPECT_EQ(edge.upstream.requests("GET", ""), 0);
}

/// The centre may read the private repository with a credential of its own; who may have it at the edge?
class PrivateByTheParent : public ParentLayersTest {
 protected:
  PrivateByTheParent() {
    EXPECT_TRUE(write_file_atomic(directory_.path() + "/password", "hunter2").ok());
    SiteFixture::Settings settings = on_request();
    settings.upstream = UpstreamConfig{};
    settings.upstream.convert = ConvertPolicy::kOnRequest;
    settings.upstream.username = "me";
    settings.upstream.password_file = directory_.path() + "/password";
    private_centre_ = std::make_unique<SiteFixture>(settings);
    image_ = private_centre_->upstream.add_image("app", "1", {{bytes_, tar_}});
    private_centre_->upstream.make_private("app", "me", "hunter2");
  }
  std::unique_ptr<SiteFixture> edge(Share share) {
    SiteFixture::Settings settings = on_request(private_centre_->url());
    settings.upstream = UpstreamConfig{};
    settings.upstream.convert = ConvertPolicy::kOnRequest;
    settings.upstream.share = share;
    return std::make_unique<SiteFixture>(settings);
  }

  const TempDir directory_ = *TempDir::create("password");
  std::unique_ptr<SiteFixture> private_centre_;
  FakeUpstream::Image image_;
};

TEST_F(PrivateByTheParent, IsForEveryoneOfASiteThatSharesAsItsParentDoes) {
  const auto edge = this->edge(Share::kEveryone);

  EXPECT_EQ(edge->manifest("1").head.status, 200);
  EXPECT_EQ(ask(*edge, image_.layers[0]).state, State::kConverted);
}

TEST_F(PrivateByTheParent, IsForNobodyWithoutACredentialOfASiteThatSharesOnlyWhatIsPublic) {
  const auto edge = this->edge(Share::kEntitled);

  EXPECT_EQ(edge->manifest("1").head.status, 401);
  EXPECT_EQ(ask(*edge, image_.layers[0]).state, State::kFailed);
  EXPECT_EQ(edge->ask("/v2/app/manifests/1", {{"Authorization", kMe}}).head.status, 200);
  EXPECT_EQ(ask(*edge, image_.layers[0]).state, State::kConverted);  // the same node has brought a pull
}

TEST_F(PrivateByTheParent, IsNotForAWrongCredential) {
  const auto edge = this->edge(Share::kEntitled);

  EXPECT_EQ(edge->ask("/v2/app/manifests/1", {{"Authorization", "Basic eW91OnNlY3JldA=="}}).head.status, 401);
}

}  // namespace
}  // namespace samara::registry_proxy
