#include "base/byte_range.h"

#include <gtest/gtest.h>

namespace samara {
namespace {

TEST(ParseRange, TakesTheThreeShapesOfRfc9110) {
  EXPECT_EQ(parse_range("bytes=0-0", 10).value(), (ByteRange{0, 1}));
  EXPECT_EQ(parse_range("bytes=3-", 10).value(), (ByteRange{3, 10}));
  EXPECT_EQ(parse_range("bytes=-4", 10).value(), (ByteRange{6, 10}));
}

TEST(ParseRange, CutsWhatReachesPastTheEnd) {
  EXPECT_EQ(parse_range("bytes=3-99999999999999999999", 10).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(parse_range("bytes=3-18446744073709551615", 10).value(), (ByteRange{3, 10}));
  EXPECT_EQ(parse_range("bytes=-99", 10).value(), (ByteRange{0, 10}));
}

TEST(ParseRange, SaysWhenNothingIsLeftToSend) {
  EXPECT_TRUE(absl::IsOutOfRange(parse_range("bytes=10-", 10).status()));
  EXPECT_TRUE(absl::IsOutOfRange(parse_range("bytes=-0", 10).status()));
  EXPECT_TRUE(absl::IsOutOfRange(parse_range("bytes=0-", 0).status()));
}

TEST(ParseRange, RefusesEverythingElse) {
  for (const char* value : {"", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-4", "bytes=0-1,3-4", "lines=0-1",
                            "bytes= 0-1", "bytes=+1-2", "bytes=0x1-2"})
    EXPECT_TRUE(absl::IsInvalidArgument(parse_range(value, 10).status())) << value;
}

TEST(ParseContentRange, ReadsRangeAndTotal) {
  const auto parsed = parse_content_range("bytes 2-5/10");

  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->range, (ByteRange{2, 6}));
  EXPECT_EQ(parsed->total, 10u);
}

TEST(ParseContentRange, RefusesWhatCannotBe) {
  for (const char* value : {"", "bytes */10", "bytes 2-5/*", "bytes 5-2/10", "bytes 2-10/10", "2-5/10", "bytes 2/5-10"})
    EXPECT_FALSE(parse_content_range(value).ok()) << value;
}

}  // namespace
}  // namespace samara
