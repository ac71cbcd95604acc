#include "attributes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/sysmacros.h>

#include "entry.h"
#include "test_layer.h"
#include "xattr_answer.h"

namespace samara::fuse_fs {
namespace {

TEST(Attributes, AreTheInodes) {
  const cache_index::Inode inode{.mode = S_IFREG | 04751,
                                 .uid = 1000,
                                 .gid = 65534,
                                 .nlink = 2,
                                 .size = 4097,
                                 .mtime_sec = -5,
                                 .mtime_nsec = 123'456'789};

  const struct stat out = to_stat({2, 17}, inode);

  EXPECT_EQ(out.st_ino, to_number({2, 17}));
  EXPECT_EQ(out.st_mode, S_IFREG | 04751u);
  EXPECT_EQ(out.st_uid, 1000u);
  EXPECT_EQ(out.st_gid, 65534u);
  EXPECT_EQ(out.st_nlink, 2u);
  EXPECT_EQ(out.st_size, 4097);
  EXPECT_EQ(out.st_blocks, 9);
  EXPECT_EQ(out.st_mtim.tv_sec, -5);
  EXPECT_EQ(out.st_mtim.tv_nsec, 123'456'789);
}

TEST(Attributes, HaveTheDeviceOfADevice) {
  const cache_index::Inode null{.mode = S_IFCHR | 0666, .nlink = 1, .rdev_major = 1, .rdev_minor = 3};

  EXPECT_EQ(to_stat({0, 2}, null).st_rdev, makedev(1, 3));
}

TEST(Entry, OfALayerIsBelievedForEverAndASlotsNameNeverIs) {
  const cache_index::Inode directory{.mode = S_IFDIR | 0755, .nlink = 2};

  EXPECT_EQ(to_entry({1, 9}, directory).entry_timeout, kForever);
  EXPECT_EQ(to_slot_entry(1, directory).entry_timeout, 0);
  EXPECT_EQ(to_slot_entry(1, directory).ino, to_number({1, 1}));
  EXPECT_EQ(absent_entry().ino, 0u);
}

TEST(Xattrs, AreFoundByName) {
  TestLayer layer;
  layer.file("tool", "x").xattrs = {{"security.capability", std::string("\1\0\0\2", 4)}, {"user.note", ""}};
  layer.file("plain", "x");
  const auto index = layer.build();
  const std::uint32_t tool = index->lookup(1, "tool").value();

  EXPECT_EQ(xattr_value(*index, tool, "security.capability").value(), std::string_view("\1\0\0\2", 4));
  EXPECT_EQ(xattr_value(*index, tool, "user.note").value(), "");
  EXPECT_TRUE(absl::IsNotFound(xattr_value(*index, tool, "user.not").status()));
  EXPECT_TRUE(absl::IsNotFound(xattr_value(*index, index->lookup(1, "plain").value(), "user.note").status()));
}

TEST(Xattrs, OfTheTrustedClassAreListedForTheSuperuserOnly) {
  TestLayer layer;
  layer.directory("dir").xattrs = {{"trusted.overlay.opaque", "y"}, {"user.a", "1"}};
  const auto index = layer.build();
  const std::uint32_t dir = index->lookup(1, "dir").value();

  EXPECT_EQ(xattr_names(*index, dir, Viewer::kSuperuser).value(), std::string("trusted.overlay.opaque\0user.a\0", 30));
  EXPECT_EQ(xattr_names(*index, dir, Viewer::kOther).value(), std::string("user.a\0", 7));
}

}  // namespace
}  // namespace samara::fuse_fs
