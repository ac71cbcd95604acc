#include "registry_proxy/names.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace samara::registry_proxy {
namespace {

TEST(Names, GivesDockerHubItsCanonicalNames) {
  const auto official = make_repository("docker.io", "python");
  const auto by_host = make_repository("registry-1.docker.io", "library/python");
  const auto own = make_repository("index.docker.io", "someone/thing");
  const auto elsewhere = make_repository("ghcr.io", "python");

  ASSERT_TRUE(official.ok() && by_host.ok() && own.ok() && elsewhere.ok());
  EXPECT_EQ(official->to_string(), "docker.io/library/python");
  EXPECT_EQ(*by_host, *official);
  EXPECT_EQ(own->to_string(), "docker.io/someone/thing");
  EXPECT_EQ(elsewhere->to_string(), "ghcr.io/python");
}

TEST(Names, TakesRepositoriesOfTheSpecificationsGrammarOnly) {
  for (const char* good : {"a", "library/python", "a0/b.c/d_e/f__g/h-i/j---k", "0", "a/manifests/blobs"})
    EXPECT_TRUE(is_repository_name(good)) << good;
  for (const char* bad : {"", "/", "a/", "/a", "a//b", "A", "a..b", "a___b", "-a", "a-", ".a", "_a", "a.", "..", "../etc",
                          "a b", "a:b", "a/../b", "a\n", "a%2f", "a._b"})
    EXPECT_FALSE(is_repository_name(bad)) << bad;
  EXPECT_TRUE(is_repository_name(std::string(255, 'a')));
  EXPECT_FALSE(is_repository_name(std::string(256, 'a')));
  EXPECT_FALSE(make_repository("docker.io", std::string(250, 'a')).ok());  // too long once "library/" is there
}

TEST(Names, TakesTagsOfTheSpecificationsGrammarOnly) {
  for (const char* good : {"latest", "3.12-slim", "_x", "A.b-C_9"}) EXPECT_TRUE(is_tag(good)) << good;
  for (const char* bad : {"", ".x", "-x", "a/b", "a:b", "a b", "a\n"}) EXPECT_FALSE(is_tag(bad)) << bad;
  EXPECT_TRUE(is_tag(std::string(128, 't')));
  EXPECT_FALSE(is_tag(std::string(129, 't')));
}

TEST(Names, TakesHostsWithOrWithoutPortAsRegistries) {
  for (const char* good : {"docker.io", "localhost", "localhost:5000", "10.0.0.1:5000", "Registry.Example.com", "[::1]:5000"})
    EXPECT_TRUE(is_registry_name(good)) << good;
  for (const char* bad : {"", ":5000", "a:", "a:b", "a:123456", "a/b", "user@a", "a..b", "-a", "http://a", "a b", "[::1",
                          "a?b", "a#b", "[]:5000", "[x]"})
    EXPECT_FALSE(is_registry_name(bad)) << bad;
}

TEST(Names, TellsADigestFromATag) {
  const std::string digest = str_cat("sha256:", std::string(64, 'a'));

  const auto by_tag = parse_reference("latest");
  const auto by_digest = parse_reference(digest);

  ASSERT_TRUE(by_tag.ok() && by_digest.ok());
  EXPECT_EQ(by_tag->tag, "latest");
  EXPECT_FALSE(by_tag->digest.has_value());
  EXPECT_EQ(by_digest->to_string(), digest);
  EXPECT_FALSE(parse_reference("sha256:abc").ok());
  EXPECT_FALSE(parse_reference("").ok());
}

TEST(ImageNames, AreReadAsPeopleWriteThem) {
  const std::string digest = "sha256:" + std::string(64, 'a');
  struct Case {
    std::string text, registry, repository, reference;
  };
  for (const Case& c : std::vector<Case>{{"python", "docker.io", "python", "latest"},
                                         {"team/app:1", "docker.io", "team/app", "1"},
                                         {"ghcr.io/a/b:v2", "ghcr.io", "a/b", "v2"},
                                         {"host:5000/app", "host:5000", "app", "latest"},
                                         {"localhost/app:x", "localhost", "app", "x"},
                                         {"a.test/app:1@" + digest, "a.test", "app", digest}}) {
    const auto name = parse_image_name(c.text);
    ASSERT_TRUE(name.ok()) << c.text << " " << name.status();
    EXPECT_EQ(name->registry, c.registry) << c.text;
    EXPECT_EQ(name->repository, c.repository) << c.text;
    EXPECT_EQ(name->reference.to_string(), c.reference) << c.text;
  }
  EXPECT_FALSE(parse_image_name("app:not a tag").ok());
  EXPECT_FALSE(parse_image_name("app@sha256:12").ok());
}

}  // namespace
}  // namespace samara::registry_proxy
