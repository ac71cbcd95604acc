#include "cache_index/frame.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "cache_index/hasher.h"
#include "sample_layer.h"

namespace samara::cache_index {
namespace {

Chunk chunk_of(std::string_view bytes, std::string_view frame) {
  return {.digest = sha256(as_bytes(bytes)),
          .stream_size = static_cast<std::uint32_t>(bytes.size()),
          .blob_size = static_cast<std::uint32_t>(frame.size())};
}

TEST(Frame, GivesItsChunkBack) {
  FrameCompressor compressor;
  for (const std::string& bytes : {std::string("x"), sample_text(1, 300'000), sample_bytes(2, kMaxChunkBytes)}) {
    const std::string frame = compressor.compress(as_bytes(bytes));

    const auto opened = open_frame(chunk_of(bytes, frame), as_bytes(frame));

    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_EQ(*opened, bytes);
    EXPECT_LE(frame.size(), kMaxFrameBytes);
  }
}

TEST(Frame, IsTheSameFromAUsedAndAFreshCompressor) {
  const std::string bytes = sample_text(3, 200'000);
  FrameCompressor used, fresh;
  used.compress(as_bytes(sample_bytes(4, 500'000)));

  EXPECT_EQ(used.compress(as_bytes(bytes)), fresh.compress(as_bytes(bytes)));
}

TEST(Frame, WithAnyBitFlippedIsDataLossOrTheSameBytes) {
  const std::string bytes = sample_text(5, 600);
  std::string frame = FrameCompressor().compress(as_bytes(bytes));
  const Chunk chunk = chunk_of(bytes, frame);

  for (std::size_t bit = 0; bit < frame.size() * 8; ++bit) {
    frame[bit / 8] = static_cast<char>(frame[bit / 8] ^ (1 << bit % 8));

    const auto opened = open_frame(chunk, as_bytes(frame));

    if (opened.ok()) {
      EXPECT_EQ(*opened, bytes) << "bit " << bit;
    } else {
      EXPECT_TRUE(absl::IsDataLoss(opened.status())) << opened.status();
    }
    frame[bit / 8] = static_cast<char>(frame[bit / 8] ^ (1 << bit % 8));
  }
}

TEST(Frame, CutShortIsDataLossThatNamesTheChunk) {
  const std::string bytes = sample_text(6, 1000);
  const std::string frame = FrameCompressor().compress(as_bytes(bytes));
  const Chunk chunk = chunk_of(bytes, frame);

  for (std::size_t size = 0; size < frame.size(); ++size) {
    const auto opened = open_frame(chunk, as_bytes(frame).first(size));

    ASSERT_TRUE(absl::IsDataLoss(opened.status())) << opened.status();
    EXPECT_NE(opened.status().ToString().find(chunk.digest.to_string()), std::string::npos);
  }
}

TEST(Frame, OfOtherContentIsDataLoss) {
  const std::string bytes = sample_text(7, 1000), other = sample_text(8, 1000);
  const std::string frame = FrameCompressor().compress(as_bytes(other));

  const auto opened = open_frame(chunk_of(bytes, frame), as_bytes(frame));

  EXPECT_TRUE(absl::IsDataLoss(opened.status())) << opened.status();
}

TEST(Frame, ThatUnpacksToMoreThanAChunkIsRefusedBeforeItIsUnpacked) {
  const std::string bomb(64u << 20, '\0');
  const std::string frame = FrameCompressor().compress(as_bytes(bomb));
  Chunk chunk = chunk_of(bomb, frame);

  const auto told = open_frame(chunk, as_bytes(frame));
  chunk.stream_size = 4096;
  const auto untold = open_frame(chunk, as_bytes(frame));

  EXPECT_TRUE(absl::IsDataLoss(told.status())) << told.status();
  EXPECT_TRUE(absl::IsDataLoss(untold.status())) << untold.status();
}

}  // namespace
}  // namespace samara::cache_index
