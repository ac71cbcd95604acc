#include "snapshotter/disk_usage.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

namespace samara::snapshotter {
namespace {

class DiskUsageTest : public ::testing::Test {
 protected:
  std::uint64_t blocks_of(const std::string& path) {
    struct stat stat;
    EXPECT_EQ(::lstat(path.c_str(), &stat), 0);
    return static_cast<std::uint64_t>(stat.st_blocks) * 512;
  }
  TempDir directory_ = *TempDir::create("usage");
};

TEST_F(DiskUsageTest, CountsBlocksAndInodes) {
  const std::string file = directory_.path() + "/file";
  ASSERT_TRUE(write_file_atomic(file, std::string(100'000, 'x')).ok());

  const auto usage = disk_usage(directory_.path());

  ASSERT_TRUE(usage.ok()) << usage.status();
  EXPECT_EQ(*usage, (DiskUsage{blocks_of(directory_.path()) + blocks_of(file), 2}));
}

TEST_F(DiskUsageTest, CountsHardLinksOnce) {
  const std::string file = directory_.path() + "/file";
  ASSERT_TRUE(write_file_atomic(file, std::string(100'000, 'x')).ok());
  ASSERT_EQ(::link(file.c_str(), (directory_.path() + "/link").c_str()), 0);

  const auto usage = disk_usage(directory_.path());

  ASSERT_TRUE(usage.ok());
  EXPECT_EQ(usage->inodes, 2u);
}

TEST_F(DiskUsageTest, DoesNotFollowSymlinks) {
  ASSERT_EQ(::symlink("/", (directory_.path() + "/root").c_str()), 0);

  const auto usage = disk_usage(directory_.path());

  ASSERT_TRUE(usage.ok());
  EXPECT_EQ(usage->inodes, 2u);
}

TEST_F(DiskUsageTest, AMissingTreeIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(disk_usage(directory_.path() + "/none").status()));
}

}  // namespace
}  // namespace samara::snapshotter
