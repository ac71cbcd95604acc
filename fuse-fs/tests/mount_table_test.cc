#include "mount_table.h"

#include <gtest/gtest.h>

#include <chrono>

#include "rate_limit.h"

namespace samara::fuse_fs {
namespace {

TEST(MountTable, TakesLinesApart) {
  const auto table = parse_mount_table(
      "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard\n"
      "77 22 0:53 /3 /run/a\\040b/\\134x ro,relatime shared:7 master:1 - fuse.samara samara ro,allow_other\n");

  ASSERT_EQ(table.size(), 2u);
  EXPECT_EQ(table[0].device, "254:0");
  EXPECT_EQ(table[0].mountpoint, "/");
  EXPECT_EQ(table[0].type, "ext4");
  EXPECT_EQ(table[1].device, "0:53");
  EXPECT_EQ(table[1].mountpoint, "/run/a b/\\x");
  EXPECT_EQ(table[1].type, "fuse.samara");
}

TEST(MountTable, LeavesOutWhatIsNoMount) {
  EXPECT_TRUE(parse_mount_table("").empty());
  EXPECT_TRUE(parse_mount_table("\n\n22 1 254:0 /\n22 1 0:1 / /mnt rw no separator here\n").empty());
  EXPECT_TRUE(parse_mount_table("22 1 0:1 / /mnt rw -").empty());
}

TEST(MountTable, FindsWhatIsMountedHere) {
  EXPECT_EQ(mounted_at("/proc").value().value().type, "proc");
  EXPECT_FALSE(mounted_at("/proc/nothing").value().has_value());
}

TEST(RateLimit, HoldsBackAndCountsWhatIsTooMuch) {
  RateLimit limit(2, std::chrono::seconds(1));
  const RateLimit::Time start{};

  EXPECT_EQ(limit.admit(start), 0u);
  EXPECT_EQ(limit.admit(start), 0u);
  EXPECT_FALSE(limit.admit(start).has_value());
  EXPECT_FALSE(limit.admit(start + std::chrono::milliseconds(999)).has_value());
  EXPECT_EQ(limit.admit(start + std::chrono::seconds(1)), 2u);
  EXPECT_EQ(limit.admit(start + std::chrono::seconds(1)), 0u);
}

}  // namespace
}  // namespace samara::fuse_fs
