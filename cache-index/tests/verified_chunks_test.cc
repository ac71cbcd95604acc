#include "verified_chunks.h"

#include <gtest/gtest.h>

#include "cache_index/hasher.h"
#include "base/file.h"

namespace samara::cache_index {
namespace {

const Digest kChunk = sha256(as_bytes("a chunk")), kOther = sha256(as_bytes("another"));

TEST(VerifiedChunks, KnowsWhatWasMarkedUntilItIsForgotten) {
  VerifiedChunks marks;
  EXPECT_FALSE(marks.contains(kChunk));

  marks.mark(kChunk, marks.epoch());
  EXPECT_TRUE(marks.contains(kChunk));
  EXPECT_FALSE(marks.contains(kOther));

  marks.forget(kOther);
  EXPECT_TRUE(marks.contains(kChunk));
  marks.forget(kChunk);
  EXPECT_FALSE(marks.contains(kChunk));
}

TEST(VerifiedChunks, TakesNoMarkOfBytesThatWereReadBeforeSomethingWasForgotten) {
  VerifiedChunks marks;
  const std::uint64_t before = marks.epoch();

  marks.forget(kChunk);
  marks.mark(kChunk, before);

  EXPECT_FALSE(marks.contains(kChunk));
}

TEST(VerifiedChunks, ForgetsAll) {
  VerifiedChunks marks;
  marks.mark(kChunk, marks.epoch());

  marks.forget_all();

  EXPECT_FALSE(marks.contains(kChunk));
}

TEST(VerifiedChunks, NeverKnowsADigestOfNothing) {
  VerifiedChunks marks;
  marks.mark(kChunk, marks.epoch());

  EXPECT_FALSE(marks.contains(Digest()));
}

}  // namespace
}  // namespace samara::cache_index
