#include "verified_chunks.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "cache_index/hasher.h"

namespace samara::cache_index {
namespace {

constexpr ByteRange kPlace{100'000, 200'000};

class VerifiedChunksTest : public ::testing::Test {
 protected:
  bool is_marked() const { return marks_.contains(chunk_, marks_.stamp(blob_, kPlace)); }

  const Digest chunk_ = sha256(as_bytes("a chunk")), other_ = sha256(as_bytes("another"));
  const Digest blob_ = sha256(as_bytes("a blob")), other_blob_ = sha256(as_bytes("another blob"));
  VerifiedChunks marks_;
};

TEST_F(VerifiedChunksTest, KnowsWhatWasMarkedInItsPlaceOnly) {
  EXPECT_FALSE(is_marked());

  marks_.mark(chunk_, marks_.stamp(blob_, kPlace));

  EXPECT_TRUE(is_marked());
  EXPECT_FALSE(marks_.contains(other_, marks_.stamp(blob_, kPlace)));
  EXPECT_FALSE(marks_.contains(chunk_, marks_.stamp(other_blob_, kPlace)));
  EXPECT_FALSE(marks_.contains(chunk_, marks_.stamp(blob_, {99'999, 199'999})));
}

TEST_F(VerifiedChunksTest, ForgetsWhenTheLeastOfItIsTouched) {
  for (const ByteRange& range : {ByteRange{0, 100'001}, ByteRange{199'999, 200'000}, ByteRange{150'000, 150'001}, kPlace}) {
    marks_.mark(chunk_, marks_.stamp(blob_, kPlace));
    ASSERT_TRUE(is_marked());

    marks_.touch(blob_, range);

    EXPECT_FALSE(is_marked()) << range.begin;
  }
}

TEST_F(VerifiedChunksTest, ForgetsWhenTheWholeBlobIsTouched) {
  marks_.mark(chunk_, marks_.stamp(blob_, kPlace));

  marks_.touch(blob_);

  EXPECT_FALSE(is_marked());
}

TEST_F(VerifiedChunksTest, TakesNoMarkOfBytesThatWereReadBeforeATouch) {
  const VerifiedChunks::Stamp before = marks_.stamp(blob_, kPlace);

  marks_.touch(blob_, kPlace);
  marks_.mark(chunk_, before);

  EXPECT_FALSE(is_marked());
}

TEST_F(VerifiedChunksTest, DoesNotForgetWhatLiesFarAway) {
  marks_.mark(chunk_, marks_.stamp(blob_, kPlace));

  marks_.touch(blob_, {1'000'000, 1'100'000});
  marks_.touch(other_blob_, kPlace);

  EXPECT_TRUE(is_marked());
}

}  // namespace
}  // namespace samara::cache_index
