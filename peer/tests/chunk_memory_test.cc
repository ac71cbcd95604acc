#include "chunk_memory.h"

#include <gtest/gtest.h>

namespace samara::peer {
namespace {

Digest chunk(std::uint8_t number) { return Digest::sha256({number}); }
ChunkBytes bytes(std::size_t size) { return std::make_shared<const std::string>(size, 'x'); }

TEST(ChunkMemory, ForgetsWhatWasUsedLeastRecently) {
  ChunkMemory memory(250);
  memory.put(chunk(1), bytes(100));
  memory.put(chunk(2), bytes(100));
  ASSERT_NE(memory.find(chunk(1)), nullptr);

  memory.put(chunk(3), bytes(100));

  EXPECT_NE(memory.find(chunk(1)), nullptr);
  EXPECT_EQ(memory.find(chunk(2)), nullptr);
  EXPECT_NE(memory.find(chunk(3)), nullptr);
  EXPECT_EQ(memory.bytes(), 200u);
}

TEST(ChunkMemory, CountsAChunkOnce) {
  ChunkMemory memory(250);

  memory.put(chunk(1), bytes(100));
  memory.put(chunk(1), bytes(100));

  EXPECT_EQ(memory.bytes(), 100u);
}

TEST(ChunkMemory, KeepsNothingLargerThanItself) {
  ChunkMemory memory(250);
  memory.put(chunk(1), bytes(100));

  memory.put(chunk(2), bytes(251));

  EXPECT_EQ(memory.find(chunk(2)), nullptr);
  EXPECT_NE(memory.find(chunk(1)), nullptr);
}

}  // namespace
}  // namespace samara::peer
