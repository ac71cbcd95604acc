#include "registry_proxy/challenge.h"

#include <gtest/gtest.h>

namespace samara::registry_proxy {
namespace {

TEST(Challenge, ReadsABearerChallengeAsRegistriesSendIt) {
  const auto challenges = parse_challenges(
      R"(Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/python:pull,push")");

  ASSERT_EQ(challenges.size(), 1u);
  EXPECT_EQ(challenges[0].scheme, "bearer");
  EXPECT_EQ(challenges[0].parameter("realm"), "https://auth.docker.io/token");
  EXPECT_EQ(challenges[0].parameter("service"), "registry.docker.io");
  EXPECT_EQ(challenges[0].parameter("scope"), "repository:library/python:pull,push");
  EXPECT_EQ(challenges[0].parameter("error"), "");
}

TEST(Challenge, ReadsSeveralChallengesOfOneField) {
  const auto challenges = parse_challenges(R"(Negotiate, BASIC Realm = "a \"b\"" , Bearer realm=token)");

  ASSERT_EQ(challenges.size(), 3u);
  EXPECT_EQ(challenges[0].scheme, "negotiate");
  EXPECT_EQ(challenges[1].scheme, "basic");
  EXPECT_EQ(challenges[1].parameter("realm"), "a \"b\"");
  EXPECT_EQ(challenges[2].parameter("realm"), "token");
}

TEST(Challenge, GivesWhatCameBeforeGarbage) {
  EXPECT_TRUE(parse_challenges("").empty());
  EXPECT_TRUE(parse_challenges("\"").empty());
  EXPECT_TRUE(parse_challenges("Bearer realm=\"never closed").empty());
  EXPECT_TRUE(parse_challenges("Bearer realm=\"ends in a backslash\\").empty());
  EXPECT_TRUE(parse_challenges("Bearer realm=").empty());
  EXPECT_EQ(parse_challenges("Basic realm=\"x\", \x01").size(), 1u);
}

}  // namespace
}  // namespace samara::registry_proxy
