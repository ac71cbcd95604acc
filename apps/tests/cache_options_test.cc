#include "cache_options.h"

#include <gtest/gtest.h>

namespace samara {
namespace {

using cache_index::Cache;

absl::StatusOr<Cache::Limits> read(const char* toml) {
  absl::StatusOr<Config> config = Config::parse(toml, "test");
  if (!config.ok()) return config.status();
  Cache::Limits limits;
  absl::Status status = read_cache_limits(*config, limits);
  if (status.ok()) status = config->finish();
  if (!status.ok()) return status;
  return limits;
}

TEST(CacheOptions, LeaveFivePercentFreeUnlessTold) {
  const auto limits = read("");

  ASSERT_TRUE(limits.ok()) << limits.status();
  EXPECT_EQ(limits->quota, 0u);
  EXPECT_EQ(limits->min_free_bytes, 0u);
  EXPECT_DOUBLE_EQ(limits->min_free_share, 0.05);
}

TEST(CacheOptions, TakeBytesAndShares) {
  const auto bytes = read("[cache]\nquota = \"20GiB\"\nmin_free = \"2GiB\"");
  const auto share = read("[cache]\nmin_free = \"12.5%\"");
  const auto none = read("[cache]\nmin_free = \"0%\"");

  ASSERT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_EQ(bytes->quota, 20ull << 30);
  EXPECT_EQ(bytes->min_free_bytes, 2ull << 30);
  EXPECT_EQ(bytes->min_free_share, 0);
  ASSERT_TRUE(share.ok()) << share.status();
  EXPECT_DOUBLE_EQ(share->min_free_share, 0.125);
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_EQ(none->min_free_bytes, 0u);
  EXPECT_EQ(none->min_free_share, 0);
}

TEST(CacheOptions, RefuseWhatMakesNoSense) {
  for (const char* toml : {"[cache]\nquota = \"1MiB\"", "[cache]\nmin_free = \"95%\"", "[cache]\nmin_free = \"x%\"",
                           "[cache]\nmin_free = \"much\"", "[cache]\nmin_fre = 1", "cache = \"/a/directory\""}) {
    EXPECT_TRUE(absl::IsInvalidArgument(read(toml).status())) << toml;
  }
}

}  // namespace
}  // namespace samara
