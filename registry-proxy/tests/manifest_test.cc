#include "registry_proxy/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"

namespace samara::registry_proxy {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kOciImage = "application/vnd.oci.image.manifest.v1+json";
constexpr std::string_view kOciIndex = "application/vnd.oci.image.index.v1+json";
constexpr std::string_view kDockerImage = "application/vnd.docker.distribution.manifest.v2+json";

std::string digest(char c) { return str_cat("sha256:", std::string(64, c)); }
std::string descriptor(std::string_view type, char c, std::string_view size = "10") {
  return str_cat(R"({"mediaType":")", type, R"(","digest":")", digest(c), R"(","size":)", size, "}");
}
std::string image(std::string_view media_type_line = "") {
  return str_cat(R"({"schemaVersion":2,)", media_type_line, R"("config":)",
                 descriptor("application/vnd.oci.image.config.v1+json", 'c'), R"(,"layers":[)", descriptor("l", '1'), ",",
                 descriptor("l", '2', "20"), "]}");
}
std::string type_line(std::string_view type) { return str_cat(R"("mediaType":")", type, R"(",)"); }

std::string why(std::string_view bytes, std::string_view content_type = "") {
  const auto manifest = parse_manifest(bytes, content_type);
  EXPECT_EQ(manifest.status().code(), absl::StatusCode::kInvalidArgument) << bytes;
  return std::string(manifest.status().message());
}

TEST(Manifest, ReadsConfigAndLayersOfAnImage) {
  const auto manifest = parse_manifest(image(type_line(kDockerImage)), str_cat(kDockerImage, "; charset=utf-8"));

  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->kind, Manifest::Kind::kImage);
  EXPECT_EQ(manifest->media_type, kDockerImage);
  EXPECT_EQ(manifest->config.digest.to_string(), digest('c'));
  ASSERT_EQ(manifest->layers.size(), 2u);
  EXPECT_EQ(manifest->layers[1].digest.to_string(), digest('2'));
  EXPECT_EQ(manifest->layers[1].size, 20u);
  EXPECT_TRUE(is_container_image(*manifest));
}

TEST(Manifest, KnowsAnIndex) {
  const auto manifest =
      parse_manifest(str_cat(R"({"schemaVersion":2,"manifests":[)", descriptor(kOciImage, 'd'), "]}"), kOciIndex);

  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->kind, Manifest::Kind::kIndex);
  EXPECT_FALSE(is_container_image(*manifest));
}

TEST(Manifest, InfersTheTypeWhenNobodySaysIt) {
  const auto an_image = parse_manifest(image(), "application/json");
  const auto an_index = parse_manifest(R"({"schemaVersion":2,"manifests":[]})", "");

  ASSERT_TRUE(an_image.ok() && an_index.ok()) << an_image.status() << an_index.status();
  EXPECT_EQ(an_image->media_type, kOciImage);
  EXPECT_EQ(an_index->media_type, kOciIndex);
}

TEST(Manifest, PassesOnWhatItDoesNotKnow) {
  constexpr std::string_view kArtifact = "application/vnd.oci.artifact.manifest.v1+json";

  const auto manifest = parse_manifest(str_cat("{", type_line(kArtifact), R"("blobs":[]})"), kArtifact);

  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->kind, Manifest::Kind::kOther);
  EXPECT_EQ(manifest->media_type, kArtifact);
  EXPECT_FALSE(is_container_image(*manifest));
}

TEST(Manifest, RefusesWhatIsntOne) {
  EXPECT_THAT(why("<html>login</html>", "text/html"), HasSubstr("JSON"));
  EXPECT_THAT(why("[]"), HasSubstr("JSON object"));
  EXPECT_THAT(why("{"), HasSubstr("JSON"));
  EXPECT_THAT(why("{}"), HasSubstr("schemaVersion"));
  EXPECT_THAT(why(R"({"schemaVersion":1,"fsLayers":[]})"), HasSubstr("schemaVersion"));
  EXPECT_THAT(why(R"({"schemaVersion":2})"), HasSubstr("config"));
  EXPECT_THAT(why(image(), "text/html"), HasSubstr("Content-Type"));
  EXPECT_THAT(why(image(type_line("application/x"))), HasSubstr("mediaType"));
  EXPECT_THAT(why(image(type_line("application/x")), "application/y"), HasSubstr("mediaType"));
  EXPECT_THAT(why(image(type_line("text/plain")), "text/plain"), HasSubstr("mediaType"));
  EXPECT_THAT(why(image(type_line(kOciImage)), kDockerImage), HasSubstr("contradicts"));
  EXPECT_THAT(why(str_cat(R"({"schemaVersion":2,"manifests":[],"config":)", descriptor("c", 'c'), R"(,"layers":[]})"),
                  kOciImage),
              HasSubstr("list of manifests"));
  EXPECT_THAT(why(R"({"schemaVersion":2,"manifests":[],"layers":[]})", kOciIndex), HasSubstr("layers"));
}

TEST(Manifest, RefusesBrokenDescriptors) {
  const auto with_config = [](std::string_view config) {
    return str_cat(R"({"schemaVersion":2,"layers":[],"config":)", config, "}");
  };

  EXPECT_THAT(why(with_config("7"), kOciImage), HasSubstr("config"));
  EXPECT_THAT(why(with_config(R"({"mediaType":"c","digest":"sha256:x","size":1})"), kOciImage), HasSubstr("digest"));
  EXPECT_THAT(why(with_config(descriptor("c", 'c', "-1")), kOciImage), HasSubstr("size"));
  EXPECT_THAT(why(with_config(descriptor("c", 'c', "1e30")), kOciImage), HasSubstr("size"));
  EXPECT_THAT(why(with_config(descriptor("c", 'c', "9223372036854775807")), kOciImage), HasSubstr("size"));
}

TEST(Manifest, RefusesDepthsAndNumbersThatNoManifestHas) {
  EXPECT_THAT(why(std::string(1'000'000, '[')), HasSubstr("JSON"));
  std::string many = R"({"schemaVersion":2,"manifests":[)";
  for (int i = 0; i < 5000; ++i) str_append(&many, i == 0 ? "" : ",", descriptor(kOciImage, 'd'));
  EXPECT_THAT(why(many + "]}", kOciIndex), HasSubstr("5000"));
}

TEST(Manifest, KnowsWhichLayersAreTars) {
  EXPECT_TRUE(is_layer_type("application/vnd.docker.image.rootfs.diff.tar.gzip"));
  EXPECT_TRUE(is_layer_type("application/vnd.oci.image.layer.v1.tar+zstd"));
  EXPECT_FALSE(is_layer_type("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"));
  EXPECT_FALSE(is_layer_type("application/vnd.oci.image.layer.v1.tar+encrypted"));
}

TEST(ImageConfig, GivesTheDiffIdsInOrder) {
  const std::string config =
      str_cat(R"({"rootfs":{"type":"layers","diff_ids":[")", digest('a'), R"(",")", digest('b'), R"("]}})");

  const auto diff_ids = parse_diff_ids(config, 2);

  ASSERT_TRUE(diff_ids.ok()) << diff_ids.status();
  EXPECT_EQ((*diff_ids)[1].to_string(), digest('b'));
  EXPECT_FALSE(parse_diff_ids(config, 3).ok());
  EXPECT_FALSE(parse_diff_ids("nonsense", 0).ok());
  EXPECT_FALSE(parse_diff_ids("{}", 0).ok());
  EXPECT_FALSE(parse_diff_ids(R"({"rootfs":{"diff_ids":[1]}})", 1).ok());
}

}  // namespace
}  // namespace samara::registry_proxy
