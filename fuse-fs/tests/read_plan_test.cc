#include "read_plan.h"

#include <gtest/gtest.h>

#include "test_layer.h"

namespace samara::fuse_fs {
namespace {

constexpr std::uint32_t kChunk = 8192;

struct Planned {
  TestLayer layer;
  peer::LayerIndex index;
  cache_index::Inode file;

  explicit Planned(std::size_t size) {
    layer.file("before", std::string(100, 'b'));
    layer.file("file", pattern(size));
    layer.file("after", std::string(kChunk, 'a'));
    index = layer.build(kChunk);
    file = index->inode(index->lookup(1, "file").value()).value();
  }

  /// What the planned pieces are, out of the stream.
  std::string read(std::uint64_t offset, std::uint64_t size) const {
    std::string out;
    const auto pieces = plan_read(*index, file, offset, size);
    EXPECT_TRUE(pieces.ok()) << pieces.status();
    for (const ReadPiece& piece : pieces.value_or(std::vector<ReadPiece>())) {
      out += layer.stream().substr(std::size_t{piece.chunk} * kChunk + piece.begin, piece.size);
    }
    return out;
  }
};

TEST(ReadPlan, CoversOddRangesOverSeveralChunks) {
  const Planned planned(5 * kChunk + 777);
  const std::string content = pattern(5 * kChunk + 777);

  for (const std::uint64_t offset : {0, 1, 4095, 4096, 8191, 8192, 12345, 5 * 8192 + 776}) {
    for (const std::uint64_t size : {1, 2, 4096, 8192, 8193, 30000}) {
      EXPECT_EQ(planned.read(offset, size), content.substr(offset, size)) << offset << "+" << size;
    }
  }
}

TEST(ReadPlan, EndsWhereTheFileEnds) {
  const Planned planned(1000);

  EXPECT_EQ(planned.read(990, 1u << 20).size(), 10u);
  EXPECT_EQ(planned.read(1000, 1).size(), 0u);
  EXPECT_EQ(planned.read(~0ull, ~0ull).size(), 0u);
  EXPECT_EQ(planned.read(5, 0).size(), 0u);
}

TEST(ReadPlan, IsEmptyForAnEmptyFile) {
  const Planned planned(0);

  EXPECT_EQ(planned.read(0, 4096).size(), 0u);
}

TEST(ReadPlan, RefusesAFileBeyondTheStream) {
  Planned planned(1000);
  planned.file.data_offset = 1u << 30;

  EXPECT_FALSE(plan_read(*planned.index, planned.file, 0, 10).ok());
  planned.file.data_offset = ~0ull - 10;
  EXPECT_FALSE(plan_read(*planned.index, planned.file, 0, 10).ok());
}

TEST(ReadPlan, RefusesToGatherTooManyPieces) {
  TestLayer layer;
  layer.file("file", pattern(2 * kMaxPieces));
  const auto index = layer.build(1);
  const auto file = index->inode(index->lookup(1, "file").value()).value();

  EXPECT_EQ(plan_read(*index, file, 0, kMaxPieces)->size(), kMaxPieces);
  EXPECT_TRUE(absl::IsDataLoss(plan_read(*index, file, 0, kMaxPieces + 1).status()));
}

}  // namespace
}  // namespace samara::fuse_fs
