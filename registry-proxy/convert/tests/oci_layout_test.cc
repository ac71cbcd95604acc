#include "convert/oci_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "base/text.h"
#include "cache_index/hasher.h"

namespace samara::convert {
namespace {

using ::testing::HasSubstr;

constexpr const char* kManifestType = "application/vnd.oci.image.manifest.v1+json";
constexpr const char* kIndexType = "application/vnd.oci.image.index.v1+json";
constexpr const char* kLayerType = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Writes a layout piece by piece.
class OciLayoutTest : public ::testing::Test {
 protected:
  OciLayoutTest() {
    EXPECT_TRUE(make_directories(root() + "/blobs/sha256").ok());
    write("oci-layout", R"({"imageLayoutVersion": "1.0.0"})");
  }

  std::string root() const { return temporary_.path(); }
  void write(const std::string& name, std::string_view content) {
    EXPECT_TRUE(write_file_atomic(root() + "/" + name, content).ok());
  }
  /// Adds a blob and gives its descriptor; `more` goes into it.
  std::string blob(std::string_view content, std::string_view type, std::string_view more = "") {
    const Digest digest = cache_index::sha256(as_bytes(content));
    write("blobs/sha256/" + digest.hex(), content);
    return str_cat(R"({"mediaType": ")", type, R"(", "digest": ")", digest.to_string(), R"(", "size": )",
                   content.size(), more, "}");
  }
  std::string image(std::string_view layer, std::string_view architecture, std::string_view more = "") {
    const std::string config = str_cat(R"({"os": "linux", "architecture": ")", architecture,
                                       R"(", "rootfs": {"type": "layers", "diff_ids": [")",
                                       cache_index::sha256(as_bytes(layer)).to_string(), R"("]}})");
    return blob(str_cat(R"({"config": )", blob(config, "application/vnd.oci.image.config.v1+json"), R"(, "layers": [)",
                        blob(layer, kLayerType), "]}"),
                kManifestType, more);
  }
  static std::string tagged(std::string_view tag) {
    return str_cat(R"(, "annotations": {"org.opencontainers.image.ref.name": ")", tag, R"("})");
  }
  void index(std::string_view manifests) { write("index.json", str_cat(R"({"manifests": [)", manifests, "]}")); }

  absl::StatusOr<std::vector<LayoutImage>> images(std::string_view tag = "", std::string_view platform = "") {
    auto layout = OciLayout::open(root());
    if (!layout.ok()) return layout.status();
    return layout->images(tag, platform);
  }

  TempDir temporary_ = TempDir::create("oci_layout").value();
};

TEST_F(OciLayoutTest, FindsAnImageAndItsLayers) {
  index(image("layer one", "amd64", tagged("v1")));

  const auto found = images();

  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_EQ(found->size(), 1u);
  EXPECT_EQ(found->at(0).name, "v1");
  EXPECT_EQ(found->at(0).platform, "linux/amd64");
  ASSERT_EQ(found->at(0).layers.size(), 1u);
  EXPECT_EQ(found->at(0).layers[0].digest, cache_index::sha256(as_bytes("layer one")));
  EXPECT_EQ(found->at(0).layers[0].diff_id, cache_index::sha256(as_bytes("layer one")));
  EXPECT_EQ(found->at(0).layers[0].size, 9u);
}

TEST_F(OciLayoutTest, ChoosesByTag) {
  index(image("one", "amd64", tagged("v1")) + "," + image("two", "amd64", tagged("v2")));

  const auto found = images("v2");

  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_EQ(found->size(), 1u);
  EXPECT_EQ(found->at(0).layers[0].digest, cache_index::sha256(as_bytes("two")));
}

TEST_F(OciLayoutTest, ChoosesByPlatformInNestedIndexes) {
  const std::string amd = image("for amd64", "amd64", R"(, "platform": {"os": "linux", "architecture": "amd64"})");
  const std::string arm =
      image("for arm64", "arm64", R"(, "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"})");
  const std::string attestation =
      image("attestation", "unknown", R"(, "platform": {"os": "unknown", "architecture": "unknown"})");
  index(blob(str_cat(R"({"manifests": [)", amd, ",", arm, ",", attestation, "]}"), kIndexType, tagged("v1")));

  const auto all = images("v1"), one = images("v1", "linux/arm64"), none = images("v1", "linux/riscv64");

  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(all->size(), 2u);
  ASSERT_TRUE(one.ok()) << one.status();
  ASSERT_EQ(one->size(), 1u);
  EXPECT_EQ(one->at(0).layers[0].digest, cache_index::sha256(as_bytes("for arm64")));
  EXPECT_EQ(one->at(0).name, "v1");
  EXPECT_EQ(none.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(none.status().message()), HasSubstr("linux/amd64"));
}

TEST_F(OciLayoutTest, SaysWhatThereIsWhenTheTagIsNot) {
  index(image("one", "amd64", tagged("v1")));

  const auto found = images("v9");

  EXPECT_EQ(found.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(found.status().message()), HasSubstr("v9"));
  EXPECT_THAT(std::string(found.status().message()), HasSubstr("it has v1"));
}

TEST_F(OciLayoutTest, RefusesAManifestThatWasAltered) {
  const std::string descriptor = image("one", "amd64");
  index(descriptor);
  for (const auto& file : std::filesystem::directory_iterator(root() + "/blobs/sha256")) {
    std::string content = read_file(file.path()).value();
    const auto at = content.find("layers");
    if (at != std::string::npos) content[at] = 'L';
    ASSERT_TRUE(write_file_atomic(file.path(), content).ok());
  }

  EXPECT_EQ(images().status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(OciLayoutTest, RefusesWhatIsNotWhatItShouldBe) {
  const std::string no_image = blob("{}", kManifestType), no_json = blob("not json", kManifestType),
                    no_size = R"({"mediaType": "x", "digest": "sha256:00"})",
                    array = blob("[]", kIndexType), deep = blob(std::string(100'000, '['), kIndexType),
                    types = blob(R"({"config": 5, "layers": "x"})", kManifestType);
  for (const std::string& manifests : {no_image, no_json, no_size, array, deep, types, std::string("5"), std::string("null")}) {
    index(manifests);
    EXPECT_EQ(images().status().code(), absl::StatusCode::kInvalidArgument) << manifests;
  }
  index(blob("x", "application/x-unknown"));
  EXPECT_EQ(images().status().code(), absl::StatusCode::kUnimplemented);
}

TEST_F(OciLayoutTest, RefusesAnIndexThatContainsIndexesWithoutEnd) {
  std::string descriptor = image("one", "amd64");
  for (int i = 0; i < 10; ++i) descriptor = blob(str_cat(R"({"manifests": [)", descriptor, "]}"), kIndexType);
  index(descriptor);

  EXPECT_EQ(images().status().code(), absl::StatusCode::kUnimplemented);
}

TEST_F(OciLayoutTest, RefusesADirectoryThatIsNoLayout) {
  EXPECT_EQ(OciLayout::open("/nonexistent").status().code(), absl::StatusCode::kNotFound);
  write("oci-layout", R"({"imageLayoutVersion": "2.0.0"})");
  EXPECT_EQ(OciLayout::open(root()).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace samara::convert
