#include "peer/blob_sources.h"

#include <gtest/gtest.h>

#include "cache_index/hasher.h"
#include "base/file.h"

namespace samara::peer {
namespace {

Digest blob(std::string_view name) { return cache_index::sha256(as_bytes(name)); }

TEST(BlobSourcesTest, AddUpByBlobAndSource) {
  BlobSources sources;

  sources.add(blob("a"), "site", 5);
  sources.add(blob("a"), "memory", 1);
  sources.add(blob("a"), "site", 2);
  sources.add(blob("b"), "parent", 9);

  const auto all = sources.all();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all.at(blob("a")), (BlobSources::BySource{{"memory", 1}, {"site", 7}}));
  EXPECT_EQ(all.at(blob("b")), (BlobSources::BySource{{"parent", 9}}));
}

TEST(BlobSourcesTest, ForgetTheBlobThatNobodyReadForLongest) {
  BlobSources sources(2);
  sources.add(blob("a"), "site", 1);
  sources.add(blob("b"), "site", 1);
  sources.add(blob("a"), "site", 1);

  sources.add(blob("c"), "site", 1);

  EXPECT_FALSE(sources.all().contains(blob("b")));
  EXPECT_EQ(sources.all().size(), 2u);
}

}  // namespace
}  // namespace samara::peer
