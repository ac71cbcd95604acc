#include "chunker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "base/file.h"
#include "sample_layer.h"

namespace samara::cache_index {
namespace {

/// Sizes of the chunks of `text`, told to the chunker `split` bytes at a time.
std::vector<std::uint32_t> cut(std::string_view text, std::size_t split = SIZE_MAX) {
  Chunker chunker;
  std::vector<std::uint32_t> sizes;
  for (std::string_view left = text; !left.empty(); left.remove_prefix(std::min(split, left.size()))) {
    std::span<const std::uint8_t> piece = as_bytes(left.substr(0, split));
    while (!piece.empty()) {
      piece = piece.subspan(chunker.advance(piece));
      if (chunker.at_cut()) {
        sizes.push_back(chunker.size());
        chunker.cut();
      }
    }
  }
  if (chunker.size() > 0) sizes.push_back(chunker.size());
  return sizes;
}

TEST(Chunker, KeepsEveryChunkWithinItsLimits) {
  const std::string stream = sample_bytes(1, 32u << 20);

  const std::vector<std::uint32_t> sizes = cut(stream);

  EXPECT_EQ(std::accumulate(sizes.begin(), sizes.end(), std::size_t{0}), stream.size());
  EXPECT_GE(*std::min_element(sizes.begin(), sizes.end() - 1), kMinChunkBytes);
  EXPECT_LE(*std::max_element(sizes.begin(), sizes.end()), kMaxChunkBytes);
  const std::size_t average = stream.size() / sizes.size();
  EXPECT_GT(average, kAverageChunkBytes * 3 / 4);
  EXPECT_LT(average, kAverageChunkBytes * 5 / 4);
}

TEST(Chunker, DoesNotCareHowTheStreamIsSplitBetweenCalls) {
  const std::string stream = sample_bytes(2, 3u << 20);

  const std::vector<std::uint32_t> sizes = cut(stream);

  for (const std::size_t split : {1ul, 7ul, 4096ul, 65536ul, 65537ul, 1'000'003ul}) {
    EXPECT_EQ(cut(stream, split), sizes) << split;
  }
}

TEST(Chunker, MovesOnlyTheCutsNearAnInsertion) {
  const std::string before = sample_bytes(3, 16u << 20);
  const std::string after = before.substr(0, 5'000'000) + "inserted" + before.substr(5'000'000);

  const std::vector<std::uint32_t> a = cut(before), b = cut(after);

  const auto from_front = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  const auto from_back = std::mismatch(a.rbegin(), a.rend(), b.rbegin(), b.rend());
  const auto same = (from_front.first - a.begin()) + (from_back.first - a.rbegin());
  EXPECT_GE(same, static_cast<std::ptrdiff_t>(a.size()) - 4);
}

TEST(Chunker, CutsZerosAtTheMaximum) {
  EXPECT_THAT(cut(std::string(3 * kZeroChunkBytes + 5, '\0')),
              ::testing::ElementsAre(kZeroChunkBytes, kZeroChunkBytes, kZeroChunkBytes, 5));
}

// Cuts are part of the format: another definition of them would convert the same layers to other blobs.
TEST(Chunker, CutsWhereItAlwaysDid) {
  EXPECT_THAT(cut(sample_bytes(4, 2u << 20)),
              ::testing::ElementsAre(317337, 358077, 271144, 266833, 299174, 278618, 305969));
}

}  // namespace
}  // namespace samara::cache_index
