#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "snapshotter_stack.h"

namespace samara::snapshotter {
namespace {

using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class OrdinarySnapshots : public ::testing::Test {
 protected:
  std::string option(const Mount& mount, const std::string& name) {
    for (const std::string& option : mount.options) {
      if (option.starts_with(name + "=")) return option.substr(name.size() + 1);
    }
    return "";
  }
  struct stat stat_of(const std::string& path) {
    struct stat stat{};
    EXPECT_EQ(::lstat(path.c_str(), &stat), 0) << path;
    return stat;
  }
  bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

  SnapshotterStack stack_;
};

TEST_F(OrdinarySnapshots, AnEmptyRootIsAWritableDirectoryOfMode0755) {
  const auto mounts = stack_->prepare("key", "", {});

  ASSERT_TRUE(mounts.ok()) << mounts.status();
  ASSERT_THAT(*mounts, SizeIs(1));
  EXPECT_EQ((*mounts)[0].type, "bind");
  EXPECT_THAT((*mounts)[0].options, ElementsAre("rw", "rbind"));
  EXPECT_EQ(stat_of((*mounts)[0].source).st_mode, S_IFDIR | 0755u);
}

TEST_F(OrdinarySnapshots, OfAUserNamespaceBelongToItsRoot) {
  stack_.commit_ordinary("one", "", "a");
  const Labels labels = {{"containerd.io/snapshot/uidmapping", "0:100000:65536"}, {"containerd.io/snapshot/gidmapping", "0:200000:65536"}};

  const auto prepared = stack_->prepare("key", "one", labels);
  const auto mounts = stack_->mounts("key");

  ASSERT_TRUE(prepared.ok() && mounts.ok()) << prepared.status() << mounts.status();
  EXPECT_EQ(*prepared, *mounts);
  EXPECT_EQ(option(mounts->back(), "uidmap"), "0:100000:65536");
  EXPECT_EQ(option(mounts->back(), "gidmap"), "0:200000:65536");
  const struct stat upper = stat_of(option(mounts->back(), "upperdir"));
  EXPECT_EQ(upper.st_uid, 100000u);
  EXPECT_EQ(upper.st_gid, 200000u);
  EXPECT_TRUE(absl::IsInvalidArgument(
      stack_->prepare("other", "one", {{"containerd.io/snapshot/uidmapping", "1:2:3"}, {"containerd.io/snapshot/gidmapping", "0:1:1"}}).status()));
}

TEST_F(OrdinarySnapshots, AChildIsAnOverlayOfItsParents) {
  stack_.commit_ordinary("one", "", "a");
  stack_.commit_ordinary("two", "one", "b");

  const auto mounts = stack_->prepare("key", "two", {});

  ASSERT_TRUE(mounts.ok()) << mounts.status();
  const Mount& overlay = mounts->back();
  EXPECT_EQ(overlay.type, "overlay");
  const std::string lower = option(overlay, "lowerdir");
  const std::size_t colon = lower.find(':');
  ASSERT_NE(colon, std::string::npos);
  EXPECT_TRUE(exists(lower.substr(0, colon) + "/b"));
  EXPECT_TRUE(exists(lower.substr(colon + 1) + "/a"));
  EXPECT_EQ(stat_of(option(overlay, "workdir")).st_mode, S_IFDIR | 0711u);
  EXPECT_EQ(*stack_->mounts("key"), *mounts);
}

TEST_F(OrdinarySnapshots, AViewIsReadOnlyAndHasNoFilesOfItsOwn) {
  stack_.commit_ordinary("one", "", "a");

  const auto view = stack_->view("view", "one", {});

  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_THAT(view->back().options, Contains("ro"));
  EXPECT_TRUE(exists(view->back().source + "/a"));
  EXPECT_EQ(stack_->stat("view")->kind, Kind::kView);
  EXPECT_EQ(stack_->usage("view")->bytes, 0u);
}

TEST_F(OrdinarySnapshots, TheRootBelongsToWhomItBelongedBelow) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to give a directory away";
  const auto base = stack_->prepare("base key", "", {});
  ASSERT_EQ(::chown(base->back().source.c_str(), 1234, 5678), 0);
  ASSERT_TRUE(stack_->commit("base", "base key", {}).ok());

  const auto child = stack_->prepare("child", "base", {});

  const struct stat upper = stat_of(option(child->back(), "upperdir"));
  EXPECT_EQ(upper.st_uid, 1234u);
  EXPECT_EQ(upper.st_gid, 5678u);
}

TEST_F(OrdinarySnapshots, AWrongCallLeavesNoDirectory) {
  ASSERT_TRUE(stack_->prepare("key", "", {}).ok());

  EXPECT_TRUE(absl::IsAlreadyExists(stack_->prepare("key", "", {}).status()));
  EXPECT_TRUE(absl::IsNotFound(stack_->prepare("other", "missing", {}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(stack_->prepare("other", "key", {}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(stack_->prepare("", "", {}).status()));
  EXPECT_TRUE(absl::IsNotFound(stack_->view("other", "missing", {}).status()));

  EXPECT_TRUE(exists(stack_.path() + "/s/1"));
  EXPECT_FALSE(exists(stack_.path() + "/s/2"));
}

TEST_F(OrdinarySnapshots, MountsOfACommittedSnapshotAreRefused) {
  stack_.commit_ordinary("one", "", "a");

  EXPECT_TRUE(absl::IsFailedPrecondition(stack_->mounts("one").status()));
  EXPECT_TRUE(absl::IsNotFound(stack_->mounts("none").status()));
}

TEST_F(OrdinarySnapshots, CleanupRemovesWhatRemovedSnapshotsLeft) {
  const auto mounts = stack_->prepare("key", "", {});
  ASSERT_TRUE(write_file_atomic(mounts->back().source + "/file", "x").ok());

  ASSERT_TRUE(stack_->remove("key").ok());
  ASSERT_TRUE(stack_->cleanup().ok());

  EXPECT_FALSE(exists(mounts->back().source));
  EXPECT_TRUE(absl::IsNotFound(stack_->stat("key").status()));
}

TEST_F(OrdinarySnapshots, CleanupTouchesNothingThatLives) {
  stack_.commit_ordinary("one", "", "a");
  const auto mounts = stack_->prepare("key", "one", {});

  ASSERT_TRUE(stack_->cleanup().ok());

  EXPECT_TRUE(exists(option(mounts->back(), "upperdir")));
  EXPECT_TRUE(exists(option(mounts->back(), "lowerdir") + "/a"));
}

TEST_F(OrdinarySnapshots, SurviveARestart) {
  stack_.commit_ordinary("one", "", "a");
  const auto before = stack_->prepare("key", "one", {{"l", "v"}});

  stack_.restart();

  EXPECT_EQ(*stack_->mounts("key"), *before);
  EXPECT_EQ(stack_->stat("key")->labels, (Labels{{"l", "v"}}));
}

TEST_F(OrdinarySnapshots, ACrashBetweenDirectoryAndRowLeavesNoTrace) {
  ASSERT_TRUE(stack_->cleanup().ok());  // the one at start is over by now
  ASSERT_TRUE(make_directories(stack_.path() + "/s/40/fs").ok());

  stack_.restart();
  ASSERT_TRUE(stack_->cleanup().ok());
  const auto next = stack_->prepare("key", "", {});

  EXPECT_FALSE(exists(stack_.path() + "/s/40"));
  EXPECT_EQ(next->back().source, stack_.path() + "/s/41/fs");
}

TEST_F(OrdinarySnapshots, UsageCountsTheirOwnFiles) {
  stack_.commit_ordinary("one", "", "a");
  const auto mounts = stack_->prepare("key", "one", {});
  const DiskUsage empty = *stack_->usage("key");

  ASSERT_TRUE(write_file_atomic(option(mounts->back(), "upperdir") + "/big", std::string(1 << 20, 'x')).ok());
  const DiskUsage written = *stack_->usage("key");

  EXPECT_GE(written.bytes, empty.bytes + (1 << 20));
  EXPECT_EQ(written.inodes, empty.inodes + 1);
  EXPECT_EQ(stack_->usage("one")->inodes, 2u);
  EXPECT_TRUE(absl::IsNotFound(stack_->usage("none").status()));
}

TEST_F(OrdinarySnapshots, StackAHundredAndTwentyEightDeep) {
  std::string parent;
  for (int i = 0; i < 128; ++i) {
    const std::string name = str_cat("layer-", i);
    stack_.commit_ordinary(name, parent, name);
    parent = name;
  }

  const auto mounts = stack_->prepare("key", parent, {});

  ASSERT_TRUE(mounts.ok()) << mounts.status();
  const std::string lower = option(mounts->back(), "lowerdir");
  EXPECT_EQ(std::count(lower.begin(), lower.end(), ':'), 127);
}

TEST_F(OrdinarySnapshots, ARootThatOverlayfsCannotNameIsRefused) {
  const auto opened = SnapshotDirectories::open(stack_.path() + "/a:b");

  EXPECT_TRUE(absl::IsInvalidArgument(opened.status()));
  EXPECT_THAT(std::string(opened.status().message()), HasSubstr("a:b"));
}

}  // namespace
}  // namespace samara::snapshotter
