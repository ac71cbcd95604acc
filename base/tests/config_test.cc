#include "base/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace samara {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Config parsed(std::string_view toml) {
  auto config = Config::parse(toml, "test.toml");
  EXPECT_TRUE(config.ok()) << config.status();
  return std::move(*config);
}

TEST(Config, ReadsEveryKind) {
  Config config = parsed(R"(
    listen = "127.0.0.1:1"
    urls = ["http://a", "http://b"]
    convert = false
    workers = 3
    memory = "64MiB"
    wait = "250ms"
  )");

  EXPECT_EQ(config.text("listen"), "127.0.0.1:1");
  EXPECT_THAT(config.texts("urls"), ElementsAre("http://a", "http://b"));
  EXPECT_FALSE(config.flag("convert", true));
  EXPECT_EQ(config.number("workers", 8), 3);
  EXPECT_EQ(config.size("memory", 0), 64u << 20);
  EXPECT_EQ(config.duration("wait", {}), std::chrono::milliseconds(250));
  EXPECT_TRUE(config.finish().ok()) << config.finish();
}

TEST(Config, FallsBackForWhatIsAbsent) {
  Config config = parsed("");

  EXPECT_EQ(config.text("listen", "x"), "x");
  EXPECT_THAT(config.texts("urls", {"y"}), ElementsAre("y"));
  EXPECT_EQ(config.duration("wait", std::chrono::seconds(2)), std::chrono::seconds(2));
  EXPECT_TRUE(config.tables("upstream").empty());
  EXPECT_TRUE(config.finish().ok());
}

TEST(Config, WalksTablesByName) {
  Config config = parsed("[upstream.\"docker.io\"]\nurls = \"https://m\"\n[upstream.\"ghcr.io\"]\n");

  const std::vector<Config*> upstreams = config.tables("upstream");

  ASSERT_EQ(upstreams.size(), 2u);
  EXPECT_EQ(upstreams[0]->key(), "docker.io");
  EXPECT_THAT(upstreams[0]->texts("urls"), ElementsAre("https://m"));
  EXPECT_TRUE(config.finish().ok()) << config.finish();
}

TEST(Config, TellsUnknownKeysWithTheirPath) {
  Config config = parsed("lisen = \"x\"\n[upstream.\"a\"]\nurl = 3\n");

  config.text("listen");
  config.tables("upstream");

  EXPECT_THAT(std::string(config.finish().message()), HasSubstr("lisen is not a known option"));
  EXPECT_THAT(std::string(config.finish().message()), HasSubstr("upstream.a.url is not a known option"));
}

TEST(Config, TellsValuesOfTheWrongKind) {
  Config config = parsed("a = 1\nb = \"12 parsecs\"\nc = -1\nd = [1]\ne = \"99999999999999TiB\"\nf = 9223372036854775807");

  config.text("a");
  config.duration("b", {});
  config.size("c", 0);
  config.texts("d");
  config.size("e", 0);
  config.duration("f", {});

  for (const char* key : {"a must be", "b must be", "c must be", "d must be", "e must be", "f must be"})
    EXPECT_THAT(std::string(config.finish().message()), HasSubstr(key));
}

TEST(Config, TellsWhereTheSyntaxBreaks) {
  EXPECT_THAT(std::string(Config::parse("a = = 1", "x.toml").status().message()), HasSubstr("x.toml:1:5"));
}

TEST(Config, TellsWhatIsThereWhateverItsKind) {
  auto config = *Config::parse("a = 1\n[b]\n", "f");

  EXPECT_TRUE(config.has("a"));
  EXPECT_TRUE(config.has("b"));
  EXPECT_FALSE(config.has("c"));
}

TEST(Config, GivesListsOfTables) {
  auto config = *Config::parse("[[x]]\na = \"1\"\n[[x]]\na = \"2\"\n", "f");
  auto wrong = *Config::parse("x = [1]\ny = 2\n", "f");

  const auto list = config.table_list("x");
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0]->text("a"), "1");
  EXPECT_EQ(list[1]->text("a"), "2");
  EXPECT_EQ(config.table_list("x")[1], list[1]);
  EXPECT_TRUE(config.table_list("y").empty());
  EXPECT_TRUE(config.finish().ok());
  EXPECT_TRUE(wrong.table_list("x").empty() && wrong.table_list("y").empty());
  EXPECT_FALSE(wrong.finish().ok());
}

}  // namespace
}  // namespace samara
