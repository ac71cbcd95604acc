#include "snapshotter/implied_directories.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <deque>

#include "base/file.h"
#include "test_layers.h"

namespace samara::snapshotter {
namespace {

using cache_index::SampleEntry;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const SampleEntry kRoot{.path = "", .mode = S_IFDIR | 0755};

class ImpliedDirectories : public ::testing::Test {
 protected:
  peer::LayerIndex index_of(const std::vector<SampleEntry>& entries) {
    TempDir& directory = directories_.emplace_back(*TempDir::create("implied"));
    auto layer = cache_index::write_sample_layer(directory.path(), entries);
    EXPECT_TRUE(layer.ok()) << layer.status();
    return peer::LayerIndex(std::move(layer->index));
  }
  // A lower layer with one directory /tmp of these attributes.
  LowerLayer lower_with_tmp(const SampleEntry& tmp) { return lower_layer(index_of({kRoot, tmp})); }

  std::deque<TempDir> directories_;
  // Its tar names /tmp/x but not /tmp.
  peer::LayerIndex layer_ = index_of({kRoot, {.path = "tmp/x", .content = "x"}});
};

TEST_F(ImpliedDirectories, AreFoundByPath) {
  EXPECT_THAT(*implied_directories(*layer_), ElementsAre("tmp"));
  EXPECT_THAT(*implied_directories(*index_of({{.path = "a/b/c"}})), ElementsAre("", "a", "a/b"));
  EXPECT_THAT(*implied_directories(*index_of({kRoot, {.path = "a", .mode = S_IFDIR | 0700}, {.path = "a/b"}})), IsEmpty());
}

TEST_F(ImpliedDirectories, OfABottomLayerAreAlwaysRight) {
  EXPECT_TRUE(check_implied_directories(layer_, {}).ok());
}

TEST_F(ImpliedDirectories, ThatNoLowerLayerHasAreRight) {
  EXPECT_TRUE(check_implied_directories(layer_, {lower_layer(index_of({kRoot, {.path = "etc/x"}}))}).ok());
}

TEST_F(ImpliedDirectories, AreRightWhenTheLowerLayerSaysTheSame) {
  EXPECT_TRUE(check_implied_directories(layer_, {lower_with_tmp({.path = "tmp", .mode = S_IFDIR | 0755})}).ok());
}

TEST_F(ImpliedDirectories, AreWrongWhenTheLowerModeDiffers) {
  const absl::Status status = check_implied_directories(layer_, {lower_with_tmp({.path = "tmp", .mode = S_IFDIR | 01777})});

  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("/tmp"));
}

TEST_F(ImpliedDirectories, AreWrongWhenTheLowerOwnerOrXattrsDiffer) {
  EXPECT_FALSE(check_implied_directories(layer_, {lower_with_tmp({.path = "tmp", .mode = S_IFDIR | 0755, .uid = 5})}).ok());
  EXPECT_FALSE(
      check_implied_directories(
          layer_, {lower_with_tmp({.path = "tmp", .mode = S_IFDIR | 0755, .xattrs = {{"user.colour", "red"}}})})
          .ok());
}

TEST_F(ImpliedDirectories, OverlayfsOwnXattrsDoNotCount) {
  EXPECT_TRUE(
      check_implied_directories(
          layer_, {lower_with_tmp({.path = "tmp", .mode = S_IFDIR | 0755, .xattrs = {{"trusted.overlay.opaque", "y"}}})})
          .ok());
}

TEST_F(ImpliedDirectories, TheNearestLayerThatHasThemDecides) {
  const LowerLayer without = lower_layer(index_of({kRoot, {.path = "etc/x"}}));
  const LowerLayer same = lower_with_tmp({.path = "tmp", .mode = S_IFDIR | 0755});
  const LowerLayer other = lower_with_tmp({.path = "tmp", .mode = S_IFDIR | 01777});

  EXPECT_TRUE(check_implied_directories(layer_, {without, same, other}).ok());
  EXPECT_FALSE(check_implied_directories(layer_, {without, other, same}).ok());
}

TEST_F(ImpliedDirectories, AReplacedDirectoryHidesWhatLiesDeeper) {
  const LowerLayer whiteout = lower_with_tmp({.path = "tmp", .mode = S_IFCHR});
  const LowerLayer other = lower_with_tmp({.path = "tmp", .mode = S_IFDIR | 01777});

  EXPECT_TRUE(check_implied_directories(layer_, {whiteout, other}).ok());
}

TEST_F(ImpliedDirectories, OfTheRootOnlyTheOwnerCounts) {
  const peer::LayerIndex rootless = index_of({{.path = "x", .content = "x"}});
  const LowerLayer other_mode = lower_layer(index_of({{.path = "", .mode = S_IFDIR | 0700}}));
  const LowerLayer other_owner = lower_layer(index_of({{.path = "", .mode = S_IFDIR | 0755, .uid = 9}}));

  EXPECT_TRUE(check_implied_directories(rootless, {other_mode}).ok());
  EXPECT_FALSE(check_implied_directories(rootless, {other_owner}).ok());
}

TEST_F(ImpliedDirectories, OrdinaryLowerLayersAreLookedUpOnDisk) {
  const TempDir disk = *TempDir::create("lower");
  const std::string tmp = disk.path() + "/tmp";

  EXPECT_TRUE(check_implied_directories(layer_, {lower_layer(disk.path())}).ok());

  ASSERT_EQ(::mkdir(tmp.c_str(), 0755), 0);
  ASSERT_EQ(::chmod(tmp.c_str(), 01777), 0);
  EXPECT_FALSE(check_implied_directories(layer_, {lower_layer(disk.path())}).ok());

  ASSERT_EQ(::rmdir(tmp.c_str()), 0);
  ASSERT_EQ(::symlink("/", tmp.c_str()), 0);
  EXPECT_TRUE(check_implied_directories(layer_, {lower_layer(disk.path())}).ok());
}

TEST_F(ImpliedDirectories, ALowerLayerThatCannotBeReadIsAnError) {
  const LowerLayer broken = [](const std::string&) { return absl::DataLossError("damaged"); };

  EXPECT_TRUE(absl::IsDataLoss(check_implied_directories(layer_, {broken})));
}

}  // namespace
}  // namespace samara::snapshotter
