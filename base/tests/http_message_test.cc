#include "base/http/message.h"

#include <gtest/gtest.h>

namespace samara::http {
namespace {

TEST(HttpHeaders, FindsAFieldWhateverTheCaseOfItsName) {
  Headers headers;
  headers.add("Content-Type", "text/plain");

  EXPECT_EQ(headers.get("content-TYPE"), "text/plain");
  EXPECT_EQ(headers.find("Accept"), std::nullopt);
  EXPECT_EQ(headers.get("Accept", "*/*"), "*/*");
}

TEST(HttpHeaders, SetReplacesEveryFieldOfThatName) {
  Headers headers;
  headers.add("Accept", "a");
  headers.add("accept", "b");

  headers.set("ACCEPT", "c");

  EXPECT_EQ(headers.fields().size(), 1u);
  EXPECT_EQ(headers.get("accept"), "c");
}

TEST(HttpHeaders, RemoveTakesEveryFieldOfThatName) {
  Headers headers;
  headers.add("Accept", "a");
  headers.add("Host", "b");
  headers.add("accept", "c");

  headers.remove("ACCEPT");

  EXPECT_EQ(headers.find("Accept"), std::nullopt);
  EXPECT_EQ(headers.get("Host"), "b");
}

TEST(HttpTarget, SplitsPathAndQueryAndDecodesBoth) {
  const auto target = parse_target("/v2/a%2Fb/c+d?ns=docker.io&x=1%3D2+3&flag&&e=");

  ASSERT_TRUE(target.has_value());
  EXPECT_EQ(target->path, "/v2/a/b/c+d");
  EXPECT_EQ(target->query_value("ns"), "docker.io");
  EXPECT_EQ(target->query_value("x"), "1=2 3");
  EXPECT_EQ(target->query_value("flag"), "");
  EXPECT_EQ(target->query.size(), 4u);
  EXPECT_EQ(target->query_value("absent"), "");
}

TEST(HttpTarget, RefusesWhatIsNotAnOriginFormTarget) {
  for (const char* bad : {"", "v2/", "*", "http://host/path", "/a%", "/a%4", "/a%zz", "/a?b=%1", "/a#b"})
    EXPECT_EQ(parse_target(bad), std::nullopt) << bad;
}

TEST(HttpTarget, DecodesWhatPercentEncodeMade) {
  const std::string text = "a/b c?&=+%\x01\xff~";

  const auto target = parse_target("/?key=" + percent_encode(text));

  ASSERT_TRUE(target.has_value());
  EXPECT_EQ(target->query_value("key"), text);
}

}  // namespace
}  // namespace samara::http
