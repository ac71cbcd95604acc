#include "snapshotter/pressure.h"

#include <gtest/gtest.h>

#include "base/file.h"

namespace samara::snapshotter {
namespace {

constexpr const char* kCalm = "some avg10=1.00 avg60=50.00 avg300=0.00 total=1\nfull avg10=0.50 avg60=0.00 avg300=0.00 total=1\n";
constexpr const char* kHigh = "some avg10=99.00 avg60=0.00 avg300=0.00 total=1\nfull avg10=90.12 avg60=0.00 avg300=0.00 total=1\n";

class PressureTest : public ::testing::Test {
 protected:
  bool is_high(const char* memory, const char* io) {
    const TempDir directory = *TempDir::create("pressure");
    EXPECT_TRUE(write_file_atomic(directory.path() + "/memory", memory).ok());
    EXPECT_TRUE(write_file_atomic(directory.path() + "/io", io).ok());
    return Pressure({}, directory.path()).is_high();
  }
};

TEST_F(PressureTest, IsHighWhenMemoryOrDisksAreWaitedFor) {
  EXPECT_FALSE(is_high(kCalm, kCalm));
  EXPECT_TRUE(is_high(kHigh, kCalm));
  EXPECT_TRUE(is_high(kCalm, kHigh));
}

TEST_F(PressureTest, IsUnknownOfAnOldKernel) {
  EXPECT_FALSE(Pressure({}, "/nowhere").is_high());
  EXPECT_FALSE(is_high("", "some avg10=x\nfull\n"));
}

TEST(PressureText, HasAvg10OfEachLine) {
  EXPECT_EQ(parse_pressure(kHigh, "full"), 90.12);
  EXPECT_EQ(parse_pressure(kHigh, "some"), 99.0);
  EXPECT_EQ(parse_pressure("full avg60=1\n", "full"), std::nullopt);
}

}  // namespace
}  // namespace samara::snapshotter
