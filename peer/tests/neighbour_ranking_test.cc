#include "peer/neighbour_ranking.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/file.h"
#include "base/text.h"
#include "cache_index/hasher.h"

namespace samara::peer {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAreArray;

const Digest kBlob = cache_index::sha256(as_bytes("a blob"));

std::vector<std::string> nodes(int count) {
  std::vector<std::string> made;
  for (int i = 0; i < count; ++i) made.push_back(str_cat("http://10.0.", i / 250, ".", i % 250 + 1, ":7703"));
  return made;
}

TEST(Owners, AreFewAndGrowSlowerThanTheSite) {
  EXPECT_EQ(owner_count(0), 0u);
  EXPECT_EQ(owner_count(1), 1u);
  EXPECT_EQ(owner_count(50), 1u);
  EXPECT_EQ(owner_count(100), 2u);
  EXPECT_EQ(owner_count(1000), 6u);
}

TEST(Owners, AreTheSameForEverybody) {
  std::vector<std::string> all = nodes(200), reversed = all;
  std::reverse(reversed.begin(), reversed.end());

  for (std::uint64_t region = 0; region < 50; ++region) {
    const std::uint64_t offset = region * kRegionBytes;
    EXPECT_EQ(owners(all, kBlob, offset), owners(reversed, kBlob, offset + kRegionBytes - 1));
  }
  EXPECT_THAT(owners({}, kBlob, 0), IsEmpty());
}

/// A node's share of 4,000 regions is 40 when all have the same.
TEST(Owners, ShareTheRegions) {
  std::map<std::string, int> regions;
  for (std::uint64_t region = 0; region < 2'000; ++region) {
    for (const std::string& node : owners(nodes(100), kBlob, region * kRegionBytes)) ++regions[node];
  }

  EXPECT_THAT(regions, SizeIs(100));
  for (const auto& [node, count] : regions) {
    EXPECT_GT(count, 15) << node;
    EXPECT_LT(count, 80) << node;
  }
}

TEST(Owners, StayWhenAnotherNodeGoes) {
  const std::vector<std::string> all = nodes(20);
  std::vector<std::string> fewer = all;
  const std::string gone = fewer.back();
  fewer.pop_back();

  for (std::uint64_t region = 0; region < 500; ++region) {
    const std::uint64_t offset = region * kRegionBytes;
    const std::string before = owners(all, kBlob, offset).at(0), after = owners(fewer, kBlob, offset).at(0);
    if (before == gone) continue;
    EXPECT_EQ(after, before);
  }
}

TEST(Owners, AreTriedInAnotherOrderByEveryAsker) {
  const std::vector<std::string> best = owners(nodes(1000), kBlob, 0);
  std::set<std::string> first;
  for (const std::string& asker : nodes(200)) {
    const std::vector<std::string> order = in_order_for(asker, best, 0);
    EXPECT_THAT(order, UnorderedElementsAreArray(best));
    first.insert(order.at(0));
  }
  EXPECT_EQ(first.size(), best.size());
  EXPECT_THAT(in_order_for("http://10.0.0.1:7703", {}, 0), IsEmpty());
}

}  // namespace
}  // namespace samara::peer
