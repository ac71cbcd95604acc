#include "snapshotter/node_images.h"

#include <gmock/gmock.h>

#include "base/file.h"
#include "cache_index/hasher.h"
#include "memory_store.h"

namespace samara::snapshotter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Digest digest(std::string_view text) { return cache_index::sha256(as_bytes(text)); }

LayerRequest pull(const std::string& layer, const std::vector<std::string>& following) {
  LayerRequest request;
  request.image_ref = "docker.io/library/x:1";
  request.layer = digest(layer);
  for (const std::string& next : following) request.following.push_back(digest(next));
  return request;
}

class NodeImagesTest : public ::testing::Test {
 protected:
  cache_index::ImageContents only() {
    const auto images = images_.images();
    EXPECT_TRUE(images.ok()) << images.status();
    EXPECT_THAT(*images, SizeIs(1));
    return images->empty() ? cache_index::ImageContents() : images->front();
  }

  MemoryStore store_;
  std::set<Digest> mounted_;
  NodeImages images_{store_, [this] { return mounted_; }};
};

TEST_F(NodeImagesTest, APulledImageHasTheLayersThatContainerdNamed) {
  images_.note_pulled(pull("bottom", {"middle", "top"}));
  images_.note_pulled(pull("middle", {"top"}));

  EXPECT_EQ(only().name, "docker.io/library/x:1");
  EXPECT_TRUE(only().manifest.is_null());
  EXPECT_THAT(only().layers, ElementsAre(digest("bottom"), digest("middle"), digest("top")));
}

TEST_F(NodeImagesTest, ATagThatMovedHasTheNewLayersAlone) {
  images_.note_pulled(pull("bottom", {"middle", "top"}));

  images_.note_pulled(pull("other middle", {"other top"}));  // containerd has the bottom already

  EXPECT_THAT(only().layers, ElementsAre(digest("bottom"), digest("other middle"), digest("other top")));
}

TEST_F(NodeImagesTest, IsInUseWhenAllOfItsLayersAreMounted) {
  images_.note_pulled(pull("bottom", {"top"}));
  mounted_ = {digest("bottom")};
  const std::string at_first = only().in_use;

  mounted_.insert(digest("top"));

  EXPECT_EQ(at_first, "");
  EXPECT_EQ(only().in_use, "snapshots of containerd");
}

TEST_F(NodeImagesTest, AWarmedImageHasItsManifestToo) {
  peer::WarmImage image;
  image.name = "docker.io/library/x:1";
  image.digest = digest("manifest");
  image.config = "config";
  image.layers.resize(2);
  image.layers[0].record.layer = digest("bottom");
  image.layers[1].record.layer = digest("top");

  ASSERT_TRUE(images_.note_warmed(image).ok());

  EXPECT_EQ(only().manifest, digest("manifest"));
  EXPECT_THAT(only().objects, ::testing::UnorderedElementsAre(digest("manifest"), digest("config")));
  EXPECT_THAT(only().layers, ElementsAre(digest("bottom"), digest("top")));
}

TEST_F(NodeImagesTest, ForgetsAName) {
  images_.note_pulled(pull("bottom", {}));

  ASSERT_TRUE(images_.forget("docker.io/library/x:1").ok());

  EXPECT_THAT(*images_.images(), IsEmpty());
}

TEST_F(NodeImagesTest, TakesNoNameThatIsntOne) {
  LayerRequest request = pull("bottom", {});
  request.image_ref = "a name\nwith lines";

  images_.note_pulled(request);

  EXPECT_THAT(*images_.images(), IsEmpty());
}

}  // namespace
}  // namespace samara::snapshotter
