#include "base/digest.h"

#include <gtest/gtest.h>

namespace samara {
namespace {

const std::string kHex(64, 'a');

TEST(Digest, KeepsWhatItParsed) {
  const auto digest = Digest::parse("sha256:" + kHex);

  ASSERT_TRUE(digest.ok()) << digest.status();
  EXPECT_EQ(digest->to_string(), "sha256:" + kHex);
  EXPECT_EQ(digest->hex(), kHex);
  EXPECT_EQ(Digest::from_key(digest->key()).value(), *digest);
}

TEST(Digest, KnowsSha512) {
  const auto digest = Digest::parse("sha512:" + kHex + kHex);

  ASSERT_TRUE(digest.ok()) << digest.status();
  EXPECT_EQ(digest->bytes().size(), 64u);
  EXPECT_EQ(Digest::from_key(digest->key()).value(), *digest);
}

TEST(Digest, RefusesOtherShapes) {
  for (const std::string& text : {std::string(), kHex, std::string("sha256:"), "sha256:" + kHex + "a", "sha256:" + kHex.substr(1),
                                  "SHA256:" + kHex, "sha256:" + std::string(64, 'A'), "md5:" + kHex,
                                  "sha256:" + std::string(63, 'a') + "/", "sha512:" + kHex})
    EXPECT_TRUE(absl::IsInvalidArgument(Digest::parse(text).status())) << text;
}

TEST(Digest, TellsAlgorithmsApart) {
  EXPECT_NE(Digest::parse("sha256:" + std::string(64, '0')).value(), Digest::parse("sha512:" + std::string(128, '0')).value());
  EXPECT_TRUE(Digest().is_null());
}

}  // namespace
}  // namespace samara
