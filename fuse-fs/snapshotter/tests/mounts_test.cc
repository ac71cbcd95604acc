#include "snapshotter/mounts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace samara::snapshotter {
namespace {

using ::testing::ElementsAre;

MountPlan plan(Kind kind, std::vector<std::string> lower) {
  return {kind, "/s/7/fs", "/s/7/work", std::move(lower), std::nullopt};
}

TEST(Mounts, WithoutParentTheOwnDirectoryIsBound) {
  EXPECT_THAT(make_mounts(plan(Kind::kActive, {}), true),
              ElementsAre(Mount{"bind", "/s/7/fs", {"rw", "rbind"}}));
  EXPECT_THAT(make_mounts(plan(Kind::kView, {}), true), ElementsAre(Mount{"bind", "/s/7/fs", {"ro", "rbind"}}));
}

TEST(Mounts, AViewOfOneParentIsThatParentReadOnly) {
  EXPECT_THAT(make_mounts(plan(Kind::kView, {"/l/3"}), true), ElementsAre(Mount{"bind", "/l/3", {"ro", "rbind"}}));
}

TEST(Mounts, AnActiveSnapshotIsAnOverlayTopmostFirst) {
  EXPECT_THAT(make_mounts(plan(Kind::kActive, {"/l/3", "/s/1/fs"}), true),
              ElementsAre(Mount{"overlay",
                                "overlay",
                                {"index=off", "workdir=/s/7/work", "upperdir=/s/7/fs", "lowerdir=/l/3:/s/1/fs"}}));
}

TEST(Mounts, AViewOfSeveralHasNoUpperDirectory) {
  EXPECT_THAT(make_mounts(plan(Kind::kView, {"/l/3", "/l/2"}), true),
              ElementsAre(Mount{"overlay", "overlay", {"index=off", "lowerdir=/l/3:/l/2"}}));
}

TEST(Mounts, OfAContainerInAUserNamespaceSayWhatIdsAreMapped) {
  MountPlan mapped = plan(Kind::kActive, {"/l/3"});
  mapped.ids = IdMapping{"0:100000:65536", "0:200000:65536"};

  EXPECT_THAT(make_mounts(mapped, false),
              ElementsAre(Mount{"overlay",
                                "overlay",
                                {"uidmap=0:100000:65536", "gidmap=0:200000:65536", "workdir=/s/7/work",
                                 "upperdir=/s/7/fs", "lowerdir=/l/3"}}));
}

TEST(Mounts, TheIndexOptionIsLeftOutWhereTheKernelHasNone) {
  EXPECT_THAT(make_mounts(plan(Kind::kActive, {"/l/3"}), false),
              ElementsAre(Mount{"overlay", "overlay", {"workdir=/s/7/work", "upperdir=/s/7/fs", "lowerdir=/l/3"}}));
}

}  // namespace
}  // namespace samara::snapshotter
