// Does to real overlay mounts what containerd and containers do to them. Needs root.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_join.h"
#include "base/text.h"
#include "snapshotter_stack.h"

namespace samara::snapshotter {
namespace {

/// Mounts what the snapshotter answered; unmounts at the end.
class Mounted {
 public:
  Mounted(const std::vector<Mount>& mounts, const std::string& target) : target_(target) {
    std::filesystem::create_directories(target);
    const Mount& mount = mounts.back();
    if (mount.type == "bind") {
      ok_ = ::mount(mount.source.c_str(), target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) == 0;
      if (ok_ && mount.options.front() == "ro") {
        ok_ = ::mount(nullptr, target.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr) == 0;
      }
    } else {
      const std::string options = absl::StrJoin(mount.options, ",");
      ok_ = ::mount("overlay", target.c_str(), "overlay", 0, options.c_str()) == 0;
    }
    error_ = ok_ ? 0 : errno;
  }
  ~Mounted() {
    if (ok_) ::umount2(target_.c_str(), MNT_DETACH);
  }
  bool ok() const { return ok_; }
  int error() const { return error_; }
  std::string operator/(const std::string& path) const { return target_ + "/" + path; }

 private:
  std::string target_;
  bool ok_ = false;
  int error_ = 0;
};

class OverlayMounts : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  }
  std::string target() { return str_cat(stack_.path(), "/mnt/", next_++); }
  // Runs `change` in a new layer on top of `parent` and commits it.
  void layer(const std::string& name, const std::string& parent, const std::function<void(const Mounted&)>& change) {
    const auto mounts = stack_->prepare("making " + name, parent, {});
    ASSERT_TRUE(mounts.ok()) << mounts.status();
    {
      const Mounted mounted(*mounts, target());
      ASSERT_TRUE(mounted.ok()) << std::strerror(mounted.error());
      change(mounted);
    }
    ASSERT_TRUE(stack_->commit(name, "making " + name, {}).ok());
  }
  static void write(const std::string& path, const std::string& content) {
    ASSERT_TRUE(write_file_atomic(path, content).ok()) << path;
  }
  static struct stat stat_of(const std::string& path) {
    struct stat stat{};
    EXPECT_EQ(::lstat(path.c_str(), &stat), 0) << path;
    return stat;
  }

  SnapshotterStack stack_;
  int next_ = 0;
};

TEST_F(OverlayMounts, ChangesInALayerShowAboveItAndNotBelow) {
  layer("one", "", [](const Mounted& root) {
    write(root / "kept", "1");
    write(root / "changed", "old");
    write(root / "deleted", "x");
    std::filesystem::create_directories(root / "dir/sub");
    write(root / "dir/sub/file", "deep");
    write(root / "moved", "m");
    ASSERT_EQ(::chmod((root / "dir").c_str(), 0750), 0);
  });
  layer("two", "one", [](const Mounted& root) {
    write(root / "changed", "new");
    ASSERT_EQ(::unlink((root / "deleted").c_str()), 0);
    std::filesystem::remove_all(root / "dir/sub");
    ASSERT_EQ(::chown((root / "kept").c_str(), 12, 34), 0);
    ASSERT_EQ(::rename((root / "moved").c_str(), (root / "dir/moved").c_str()), 0);
    ASSERT_EQ(::chmod((root / "dir").c_str(), 01777), 0);
  });

  const Mounted below(*stack_->view("view one", "one", {}), target());
  const Mounted above(*stack_->view("view two", "two", {}), target());

  ASSERT_TRUE(below.ok());
  ASSERT_TRUE(above.ok());
  EXPECT_EQ(*read_file(below / "changed"), "old");
  EXPECT_EQ(*read_file(above / "changed"), "new");
  EXPECT_EQ(*read_file(below / "deleted"), "x");
  EXPECT_NE(::access((above / "deleted").c_str(), F_OK), 0);
  EXPECT_EQ(*read_file(below / "dir/sub/file"), "deep");
  EXPECT_NE(::access((above / "dir/sub").c_str(), F_OK), 0);
  EXPECT_EQ(stat_of(below / "kept").st_uid, 0u);
  EXPECT_EQ(stat_of(above / "kept").st_uid, 12u);
  EXPECT_EQ(*read_file(above / "dir/moved"), "m");
  EXPECT_EQ(stat_of(below / "dir").st_mode & 07777, 0750u);
  EXPECT_EQ(stat_of(above / "dir").st_mode & 07777, 01777u);
}

TEST_F(OverlayMounts, AViewCannotBeWrittenTo) {
  layer("one", "", [](const Mounted& root) { write(root / "a", "1"); });
  layer("two", "one", [](const Mounted& root) { write(root / "b", "2"); });

  for (const std::string parent : {"one", "two"}) {
    const Mounted view(*stack_->view("view of " + parent, parent, {}), target());
    ASSERT_TRUE(view.ok());
    EXPECT_FALSE(write_file_atomic(view / "new", "x").ok());
    EXPECT_EQ(errno, EROFS);
  }
}

TEST_F(OverlayMounts, TheRootIs0755) {
  layer("one", "", [](const Mounted& root) { write(root / "a", "1"); });

  const Mounted container(*stack_->prepare("container", "one", {}), target());

  ASSERT_TRUE(container.ok());
  EXPECT_EQ(stat_of(container / "").st_mode & 07777, 0755u);
}

TEST_F(OverlayMounts, AHundredLayersCanBeMounted) {
  std::string parent;
  for (int i = 0; i < 100; ++i) {
    stack_.commit_ordinary(str_cat("l", i), parent, str_cat("f", i));
    parent = str_cat("l", i);
  }
  std::vector<Mount> mounts = *stack_->prepare("container", parent, {});
  // As containerd does when the options don't fit in a page: relative to the common directory.
  for (std::string& option : mounts.back().options) {
    const std::string prefix = stack_.path() + "/";
    for (std::size_t at; option.starts_with("lowerdir=") && (at = option.find(prefix)) != std::string::npos;) {
      option.erase(at, prefix.size());
    }
  }
  const std::string before = std::filesystem::current_path();
  std::filesystem::current_path(stack_.path());

  const Mounted container(mounts, target());
  std::filesystem::current_path(before);

  ASSERT_TRUE(container.ok()) << std::strerror(container.error());
  EXPECT_EQ(*read_file(container / "f0"), "content of f0");
  EXPECT_EQ(*read_file(container / "f99"), "content of f99");
}

}  // namespace
}  // namespace samara::snapshotter
