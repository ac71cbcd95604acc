#include "peer/seats.h"

#include <gmock/gmock.h>

#include "base/file.h"
#include "cache_index/hasher.h"

namespace samara::peer {
namespace {

const Digest kChunk = cache_index::sha256(as_bytes("a chunk")), kOther = cache_index::sha256(as_bytes("another"));

TEST(Seats, AreForAFewOfEachChunk) {
  Seats seats(2);
  std::optional<Seats::Seat> first = seats.take(kChunk), second = seats.take(kChunk);
  EXPECT_TRUE(first && second);
  EXPECT_FALSE(seats.take(kChunk).has_value());
  EXPECT_TRUE(seats.take(kOther).has_value());

  first.reset();

  EXPECT_TRUE(seats.take(kChunk).has_value());
  EXPECT_TRUE(seats.take(kChunk).has_value());  // the one before was left at once
}

}  // namespace
}  // namespace samara::peer
