#include "conditions.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace samara::registry_proxy {
namespace {

const Digest kDigest = *Digest::parse(str_cat("sha256:", std::string(64, 'a')));
const std::string kTag = etag_of(kDigest);

http::Headers headers(std::initializer_list<std::pair<const char*, std::string>> fields) {
  http::Headers result;
  for (const auto& [name, value] : fields) result.add(name, value);
  return result;
}

TEST(Conditions, KnowAClientThatHasTheBytes) {
  EXPECT_TRUE(has_already(headers({{"if-none-match", kTag}}), kDigest));
  EXPECT_TRUE(has_already(headers({{"If-None-Match", "\"x\" , W/" + kTag}}), kDigest));
  EXPECT_TRUE(has_already(headers({{"If-None-Match", "\"x\""}, {"If-None-Match", kTag}}), kDigest));
  EXPECT_TRUE(has_already(headers({{"If-None-Match", "*"}}), kDigest));
  EXPECT_FALSE(has_already(headers({}), kDigest));
  EXPECT_FALSE(has_already(headers({{"If-None-Match", "\"x\", ,"}}), kDigest));
}

TEST(Conditions, DropARangeOfOtherBytes) {
  EXPECT_EQ(effective_range(headers({{"Range", "bytes=1-"}}), kDigest), "bytes=1-");
  EXPECT_EQ(effective_range(headers({{"Range", "bytes=1-"}, {"If-Range", kTag}}), kDigest), "bytes=1-");
  EXPECT_EQ(effective_range(headers({{"Range", "bytes=1-"}, {"If-Range", "\"x\""}}), kDigest), "");
  EXPECT_EQ(effective_range(headers({{"Range", "bytes=1-"}, {"If-Range", "W/" + kTag}}), kDigest), "");
  EXPECT_EQ(effective_range(headers({{"Range", "bytes=1-"}, {"If-Range", "Sat, 29 Oct 1994 19:43:31 GMT"}}), kDigest), "");
}

TEST(Accept, AllowsWhatItNames) {
  constexpr std::string_view kType = "application/vnd.oci.image.index.v1+json";

  EXPECT_TRUE(accepts(headers({}), kType));
  EXPECT_TRUE(accepts(headers({{"Accept", "*/*"}}), kType));
  EXPECT_TRUE(accepts(headers({{"Accept", "text/html, application/*;q=0.1"}}), kType));
  EXPECT_TRUE(accepts(headers({{"Accept", "x/y"}, {"Accept", "Application/vnd.oci.image.INDEX.v1+json"}}), kType));
  EXPECT_FALSE(accepts(headers({{"Accept", "application/vnd.oci.image.manifest.v1+json"}}), kType));
  EXPECT_FALSE(accepts(headers({{"Accept", "application/vnd.oci.image.index.v1+json; q=0.0"}}), kType));
  EXPECT_FALSE(accepts(headers({{"Accept", "image/*"}}), kType));
  EXPECT_FALSE(accepts(headers({{"Accept", ""}}), kType));
}

}  // namespace
}  // namespace samara::registry_proxy
