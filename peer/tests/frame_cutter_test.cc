#include "frame_cutter.h"

#include <gmock/gmock.h>

#include <string>

#include "base/file.h"

namespace samara::peer {
namespace {

using ::testing::ElementsAre;

class FrameCutterTest : public ::testing::Test {
 protected:
  FrameCutter cutter(std::vector<std::uint32_t> sizes) {
    return FrameCutter(std::move(sizes), [this](std::size_t number, std::span<const std::uint8_t> frame) {
      EXPECT_EQ(number, frames_.size());
      frames_.emplace_back(as_text(frame));
    });
  }
  std::vector<std::string> frames_;
};

TEST_F(FrameCutterTest, HandsOnEachFrameAsSoonAsItIsComplete) {
  FrameCutter cut = cutter({3, 2});

  ASSERT_TRUE(cut.add(as_bytes("ab")).ok());
  EXPECT_THAT(frames_, ElementsAre());
  ASSERT_TRUE(cut.add(as_bytes("cd")).ok());
  EXPECT_THAT(frames_, ElementsAre("abc"));
  ASSERT_TRUE(cut.add(as_bytes("e")).ok());

  EXPECT_THAT(frames_, ElementsAre("abc", "de"));
  EXPECT_EQ(cut.frames(), 2u);
}

TEST_F(FrameCutterTest, CutsSeveralOutOfOnePiece) {
  FrameCutter cut = cutter({1, 2, 3});

  ASSERT_TRUE(cut.add(as_bytes("abbccc")).ok());

  EXPECT_THAT(frames_, ElementsAre("a", "bb", "ccc"));
}

TEST_F(FrameCutterTest, RefusesMoreThanTheSizesMake) {
  FrameCutter cut = cutter({2});

  EXPECT_TRUE(absl::IsDataLoss(cut.add(as_bytes("abc"))));
  EXPECT_THAT(frames_, ElementsAre("ab"));
}

}  // namespace
}  // namespace samara::peer
