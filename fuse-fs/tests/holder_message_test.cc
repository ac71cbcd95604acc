#include "holder_message.h"

#include <gtest/gtest.h>

namespace samara::fuse_fs {
namespace {

using Verb = HolderRequest::Verb;
using std::chrono::milliseconds;

TEST(HolderRequest, IsOneOfFour) {
  EXPECT_EQ(parse_holder_request("hello 60000").verb, Verb::kHello);
  EXPECT_EQ(parse_holder_request("hello 60000").abort_after, milliseconds(60'000));
  EXPECT_EQ(parse_holder_request("keep samara-plain").verb, Verb::kKeep);
  EXPECT_EQ(parse_holder_request("keep a b").name, "a b");
  EXPECT_EQ(parse_holder_request("forget samara-plain").verb, Verb::kForget);
  EXPECT_EQ(parse_holder_request("serving").verb, Verb::kServing);
}

TEST(HolderRequest, IsUnknownOtherwise) {
  for (const char* text : {"", " ", "keep", "keep ", "forget", "hellos 1", "KEEP x"}) {
    EXPECT_EQ(parse_holder_request(text).verb, Verb::kUnknown) << text;
  }
}

TEST(HolderRequest, HasOnlySensibleTimes) {
  for (const char* text : {"hello", "hello 0", "hello -5", "hello 86400000", "hello 99999999999999999999", "hello 5s"}) {
    EXPECT_EQ(parse_holder_request(text).verb, Verb::kHello) << text;
    EXPECT_EQ(parse_holder_request(text).abort_after, std::nullopt) << text;
  }
}

TEST(HolderWelcome, SaysHowManyDescriptorsFollow) {
  EXPECT_EQ(parse_welcome("welcome 2"), 2u);
  for (const char* text : {"welcome", "welcome ", "welcome -1", "welcome 17", "welcome 2 ", "busy", ""}) {
    EXPECT_EQ(parse_welcome(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace samara::fuse_fs
