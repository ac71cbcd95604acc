#include "snapshotter/labels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace samara::snapshotter {
namespace {

const std::string kA = "sha256:" + std::string(64, 'a');
const std::string kB = "sha256:" + std::string(64, 'b');
const std::string kC = "sha256:" + std::string(64, 'c');

struct NameCase {
  const char* reference;
  const char* registry;
  const char* repository;
};
class ImageNames : public ::testing::TestWithParam<NameCase> {};

TEST_P(ImageNames, SplitIntoRegistryAndRepository) {
  const auto name = parse_image_name(GetParam().reference);

  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(name->registry, GetParam().registry);
  EXPECT_EQ(name->repository, GetParam().repository);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, ImageNames,
    ::testing::Values(NameCase{"docker.io/library/python:3.12", "docker.io", "library/python"},
                      NameCase{"python", "docker.io", "library/python"},
                      NameCase{"python:3", "docker.io", "library/python"},
                      NameCase{"someone/tool@sha256:00", "docker.io", "someone/tool"},
                      NameCase{"localhost:5000/a/b/c:v1@sha256:00", "localhost:5000", "a/b/c"},
                      NameCase{"localhost/x", "localhost", "x"},
                      NameCase{"registry.example:443/x", "registry.example:443", "x"},
                      NameCase{"docker.io/python", "docker.io", "library/python"}));

TEST(ImageName, RefusesWhatIsNone) {
  EXPECT_FALSE(parse_image_name(""));
  EXPECT_FALSE(parse_image_name("has space"));
  EXPECT_FALSE(parse_image_name("host.example/"));
  EXPECT_FALSE(parse_image_name(":tag"));
  EXPECT_FALSE(parse_image_name(std::string(5000, 'a')));
}

TEST(LayerRequest, ReadsWhatCriSends) {
  const auto request = parse_layer_request({{"containerd.io/snapshot.ref", kA},
                                            {"containerd.io/snapshot/cri.layer-digest", kB},
                                            {"containerd.io/snapshot/cri.image-ref", "docker.io/library/python:3"},
                                            {"containerd.io/snapshot/cri.image-layers", kB + "," + kC + ",sha256:cut"}});

  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(request->target, kA);
  EXPECT_EQ(request->chain_id.to_string(), kA);
  EXPECT_EQ(request->layer.to_string(), kB);
  EXPECT_EQ(request->image.repository, "library/python");
  ASSERT_EQ(request->following.size(), 2u);
  EXPECT_EQ(request->following[1].to_string(), kC);
}

TEST(LayerRequest, ReadsWhatTheStargzToolsSend) {
  const auto request =
      parse_layer_request({{"containerd.io/snapshot.ref", kA},
                           {"containerd.io/snapshot/remote/stargz.digest", kB},
                           {"containerd.io/snapshot/remote/stargz.reference", "ghcr.io/x/y:1"}});

  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(request->layer.to_string(), kB);
  EXPECT_EQ(request->image.registry, "ghcr.io");
}

TEST(LayerRequest, IsNoneUnlessChainAndLayerAreNamed) {
  EXPECT_FALSE(parse_layer_request({}));
  EXPECT_FALSE(parse_layer_request({{"containerd.io/snapshot.ref", kA}}));
  EXPECT_FALSE(parse_layer_request({{"containerd.io/snapshot/cri.layer-digest", kB}}));
  EXPECT_FALSE(parse_layer_request(
      {{"containerd.io/snapshot.ref", "not a digest"}, {"containerd.io/snapshot/cri.layer-digest", kB}}));
}

TEST(IdMapping, IsWhatBothLabelsSay) {
  const std::string uids = "containerd.io/snapshot/uidmapping", gids = "containerd.io/snapshot/gidmapping";

  const auto mapping = parse_id_mapping({{uids, "0:100000:65536"}, {gids, "5:6:1,0:200000:3"}});

  ASSERT_TRUE(mapping.ok() && mapping->has_value()) << mapping.status();
  EXPECT_EQ((*mapping)->uids, "0:100000:65536");
  EXPECT_EQ((*mapping)->gids, "5:6:1,0:200000:3");
  EXPECT_EQ(*parse_id_mapping({{uids, "0:100000:65536"}}), std::nullopt);
  for (const char* list : {"x", "0", "0:1", "0:1:", "0:1:2:3", "0:1:1,", "1:100000:5", "0:4294967295:2", "-1:0:9", "0:1:0"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(parse_id_mapping({{uids, list}, {gids, "0:1:1"}}).status())) << list;
  }
}

TEST(IdMapping, GivesTheNumberOnTheHost) {
  EXPECT_EQ(*id_on_host("0:100000:10,10:7:1", 9), 100009u);
  EXPECT_EQ(*id_on_host("0:100000:10,10:7:1", 10), 7u);
  EXPECT_TRUE(absl::IsNotFound(id_on_host("0:100000:10,10:7:1", 11).status()));
}

TEST(ChainId, FollowsTheSpecification) {
  const Digest a = *Digest::parse(kA), b = *Digest::parse(kB);

  EXPECT_EQ(chain_id(std::nullopt, a), a);
  // printf 'sha256:aaa… sha256:bbb…' | sha256sum
  EXPECT_EQ(chain_id(a, b).to_string(), "sha256:ccd722928bd92476ba1745586fed6e45a102504185ad88cd89e01ff116fd146c");
}

TEST(ChainId, OfASnapshotIsItsLabelOrTheEndOfItsName) {
  Info labelled, named, neither;
  labelled.name = "k8s.io/3/" + kB;
  labelled.labels = {{"containerd.io/snapshot.ref", kA}};
  named.name = "k8s.io/3/" + kB;
  neither.name = "k8s.io/3/some name";

  EXPECT_EQ(chain_id_of(labelled)->to_string(), kA);
  EXPECT_EQ(chain_id_of(named)->to_string(), kB);
  EXPECT_FALSE(chain_id_of(neither));
}

}  // namespace
}  // namespace samara::snapshotter
