#include "registry_proxy/image_import.h"

#include <gmock/gmock.h>

#include "base/file.h"
#include "base/text.h"
#include "cache_index/hasher.h"
#include "sample_layer.h"
#include "site_fixture.h"

/// An image that comes out of a file, into a site whose registry can't be asked.
namespace samara::registry_proxy {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kManifestType = "application/vnd.oci.image.manifest.v1+json";

Digest digest_of(std::string_view text) { return cache_index::sha256(as_bytes(text)); }

SiteFixture::Settings entitled() {
  SiteFixture::Settings settings;
  settings.upstream.share = Share::kEveryone;
  return settings;
}

class ImageImportTest : public ::testing::Test {
 protected:
  ImageImportTest() {
    const auto made = cache_index::write_sample_layer(directory_.path(), {{.path = "file", .content = cache_index::sample_bytes(1, 1u << 20)}});
    EXPECT_TRUE(made.ok()) << made.status();
    index_ = *read_file(made->index_path, 64u << 20);
    blob_ = *read_file(made->blob_path, 64u << 20);
    record_ = {.layer = digest_of("the original layer"),
               .index = digest_of(index_),
               .blob = digest_of(blob_),
               .index_size = index_.size(),
               .blob_size = blob_.size(),
               .layer_size = 0};
    set_config(made->written.info.diff_id);
    image_.name = "fake.test/app:1";
    image_.layers = {record_};
  }
  void set_config(const Digest& diff_id) {
    config_ = str_cat(R"({"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[")", diff_id.to_string(), R"("]}})");
    const auto descriptor = [](std::string_view type, const Digest& digest, std::size_t size) {
      return str_cat(R"({"mediaType":"application/vnd.oci.image.)", type, R"(","digest":")", digest.to_string(), R"(","size":)", size, "}");
    };
    manifest_ = str_cat(R"({"schemaVersion":2,"mediaType":")", kManifestType, R"(","config":)",
                        descriptor("config.v1+json", digest_of(config_), config_.size()), R"(,"layers":[)",
                        descriptor("layer.v1.tar+gzip", record_.layer, 4321), "]}");
    image_.manifests = {{digest_of(manifest_), kManifestType, ""}};
  }
  std::vector<Digest> objects() const { return {digest_of(manifest_), digest_of(config_), digest_of(index_), digest_of(blob_)}; }
  absl::Status bring(const std::string& bytes, const Digest& as) {
    auto writer = import_.writer(as);
    if (!writer.ok()) return writer.status();
    if (const absl::Status status = (*writer)->append(as_bytes(bytes)); !status.ok()) return status;
    return (*writer)->commit();
  }
  void bring_all() {
    for (const std::string* bytes : {&manifest_, &config_, &index_, &blob_}) ASSERT_TRUE(bring(*bytes, digest_of(*bytes)).ok());
  }
  bool is_listed() { return site_.get("/samara/v1/images?name=fake.test/app:1").head.status == 200; }

  TempDir directory_ = *TempDir::create("import");
  SiteFixture site_{entitled()};
  StartTraces traces_{*site_.cache};
  ImageImport import_{*site_.cache, site_.upstreams, site_.manifests, site_.references, site_.entitlements, traces_, site_.clock};
  std::string index_, blob_, config_, manifest_;
  cache_index::LayerRecord record_;
  cache_index::ImportedImage image_;
};

TEST_F(ImageImportTest, ServesTheImageWhileItsRegistryIsAway) {
  site_.upstream.answer("", 503);
  ASSERT_THAT(*import_.offer(image_.name, objects()), SizeIs(4));
  bring_all();
  image_.pin_for_good = true;
  image_.pin_reason = "somebody";

  const absl::Status published = import_.publish(image_);

  ASSERT_TRUE(published.ok()) << published;
  EXPECT_EQ(site_.manifest("1").body, manifest_) << site_.last_status;
  EXPECT_EQ(site_.blob(digest_of(config_)).body, config_);
  const auto layer = site_.get(str_cat("/samara/v1/layers/", record_.layer.to_string(), "?ns=fake.test&repo=app"));
  EXPECT_THAT(layer.body, HasSubstr(record_.index.to_string()));
  EXPECT_EQ(site_.get(str_cat("/samara/v1/objects/", record_.blob.to_string())).body, blob_);
  EXPECT_EQ(site_.get("/samara/v1/images?name=fake.test/app:1", "", "DELETE").head.status, 409);
  ASSERT_THAT(*site_.cache->pins(), SizeIs(1));  // the one of the import itself is gone
  EXPECT_THAT(*import_.offer(image_.name, objects()), IsEmpty());
}

TEST_F(ImageImportTest, GoesOnWhereItBrokeOff) {
  {
    const auto writer = import_.writer(digest_of(blob_));
    ASSERT_TRUE(writer.ok() && (*writer)->append(as_bytes(blob_).subspan(0, 1000)).ok());
  }

  const auto wanted = import_.offer(image_.name, {digest_of(blob_)});

  ASSERT_TRUE(wanted.ok()) << wanted.status();
  ASSERT_THAT(*wanted, SizeIs(1));
  EXPECT_EQ((*wanted)[0].here, 1000u);
  EXPECT_FALSE(is_listed());
}

TEST_F(ImageImportTest, RefusesAnObjectWithOtherBytes) {
  EXPECT_TRUE(absl::IsDataLoss(bring("something else", digest_of(blob_))));
  EXPECT_FALSE(site_.cache->has_object(digest_of(blob_)));
}

TEST_F(ImageImportTest, NamesNothingWhileAnObjectIsMissing) {
  ASSERT_TRUE(bring(manifest_, digest_of(manifest_)).ok());
  ASSERT_TRUE(bring(config_, digest_of(config_)).ok());

  EXPECT_TRUE(absl::IsNotFound(import_.publish(image_)));
  EXPECT_FALSE(is_listed());
}

// Index, blob and manifest are all what their digests say; only together they are a lie.
TEST_F(ImageImportTest, RefusesALayerThatIsAnother) {
  set_config(digest_of("another tar"));
  bring_all();

  const absl::Status refused = import_.publish(image_);

  EXPECT_TRUE(absl::IsInvalidArgument(refused)) << refused;
  EXPECT_FALSE(is_listed());
  EXPECT_FALSE(site_.cache->converted_layer(record_.layer).ok());
}

TEST_F(ImageImportTest, RefusesABlobThatIsNotTheIndexs) {
  bring_all();
  const std::string other = "not that blob";
  ASSERT_TRUE(bring(other, digest_of(other)).ok());
  image_.layers[0].blob = digest_of(other);
  image_.layers[0].blob_size = other.size();

  EXPECT_TRUE(absl::IsInvalidArgument(import_.publish(image_)));
  EXPECT_FALSE(is_listed());
}

TEST_F(ImageImportTest, RefusesWhatThisSiteHasNoUpstreamFor) {
  const auto offered = import_.offer("other.test/app:1", objects());

  EXPECT_TRUE(absl::IsFailedPrecondition(offered.status()));
  EXPECT_THAT(std::string(offered.status().message()), HasSubstr("other.test"));
}

TEST_F(ImageImportTest, RefusesANameOrATagThatIsNone) {
  bring_all();
  cache_index::ImportedImage named = image_, tagged = image_;
  named.name = "fake.test/../etc:1";
  tagged.manifests.push_back({digest_of(manifest_), kManifestType, "a tag"});

  EXPECT_TRUE(absl::IsInvalidArgument(import_.publish(named)));
  EXPECT_TRUE(absl::IsInvalidArgument(import_.publish(tagged)));
}

TEST_F(ImageImportTest, KeepsSignaturesAndListsOfReferrers) {
  site_.upstream.answer("", 503);
  bring_all();
  const std::string list = R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]})";
  image_.referrers.push_back({digest_of(manifest_), list});
  const std::string tag = str_cat("sha256-", digest_of(manifest_).hex(), ".sig");
  image_.manifests.push_back({digest_of(manifest_), kManifestType, tag});

  ASSERT_TRUE(import_.publish(image_).ok());

  EXPECT_EQ(site_.manifest(tag).body, manifest_);
  EXPECT_EQ(site_.get(str_cat("/v2/app/referrers/", digest_of(manifest_).to_string(), "?ns=fake.test")).body, list);
}

}  // namespace
}  // namespace samara::registry_proxy
