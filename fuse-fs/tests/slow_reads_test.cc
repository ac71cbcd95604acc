#include "slow_reads.h"

#include <gmock/gmock.h>
#include <unistd.h>

namespace samara::fuse_fs {
namespace {

using std::chrono::milliseconds;

TEST(SlowReads, KeepsTheLastOnes) {
  SlowReads slow;

  for (std::size_t i = 0; i < SlowReads::kMost + 3; ++i) slow.add({.inode = static_cast<std::uint32_t>(i), .took = milliseconds(6)});

  const std::vector<SlowRead> all = slow.all();
  ASSERT_EQ(all.size(), SlowReads::kMost);
  EXPECT_EQ(all.front().inode, 3u);
  EXPECT_EQ(all.back().inode, SlowReads::kMost + 2);
}

TEST(SlowReads, ForgivesAReaderThatIsGone) {
  SlowReads slow;

  slow.add({.inode = 1, .pid = 0x7fffffff});

  EXPECT_EQ(slow.all().at(0).cgroup, "");
}

TEST(Cgroup, IsThatOfVersionTwo) {
  EXPECT_EQ(parse_cgroup("0::/kubepods/pod1/3f2a\n"), "/kubepods/pod1/3f2a");
}

TEST(Cgroup, IsTheFirstThatSaysSomething) {
  EXPECT_EQ(parse_cgroup("12:cpuset:/\n11:memory:/k8s.io/3f2a\n10:cpu:/k8s.io/other\n"), "/k8s.io/3f2a");
  EXPECT_EQ(parse_cgroup("11:memory:/k8s.io/3f2a\n0::/unified/3f2a\n"), "/unified/3f2a");
}

TEST(Cgroup, IsNoneOfNonsense) {
  EXPECT_EQ(parse_cgroup(""), "");
  EXPECT_EQ(parse_cgroup("0::/\n"), "");
  EXPECT_EQ(parse_cgroup("one\n:two\n\n"), "");
}

}  // namespace
}  // namespace samara::fuse_fs
