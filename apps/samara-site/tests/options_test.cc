#include "options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"

namespace samara {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using registry_proxy::Share;

absl::StatusOr<SiteOptions> read(std::string_view toml) {
  auto config = Config::parse(toml, "site.toml");
  if (!config.ok()) return config.status();
  SiteOptions options;
  const absl::Status status = read_options(*config, options);
  if (!status.ok()) return status;
  return options;
}

std::string error(std::string_view toml) { return std::string(read(toml).status().message()); }

TEST(SiteOptions, AreTheDefaultsWithoutAFile) {
  const auto options = read("");

  ASSERT_TRUE(options.ok()) << options.status();
  ASSERT_EQ(options->listeners.size(), 1u);
  EXPECT_EQ(options->listeners[0].server.listen, "127.0.0.1:7700");
  EXPECT_EQ(options->upstreams.others.share, Share::kEveryone);
}

TEST(SiteOptions, GiveEachUpstreamWhatHoldsForAllUnlessItSaysOtherwise) {
  const auto options = read(R"(
tag_ttl = "5m"
patience = "1s"
[upstream."docker.io"]
[upstream."private.test"]
tag_ttl = "10s"
share = "entitled"
)");

  ASSERT_TRUE(options.ok()) << options.status();
  const auto &hub = options->upstreams.configured[0], &other = options->upstreams.configured[1];
  EXPECT_EQ(hub.tag_ttl, std::chrono::minutes(5));
  EXPECT_EQ(hub.patience, std::chrono::seconds(1));
  EXPECT_EQ(other.tag_ttl, std::chrono::seconds(10));
  EXPECT_EQ(other.share, Share::kEntitled);
  EXPECT_EQ(options->upstreams.others.tag_ttl, std::chrono::minutes(5));
}

TEST(SiteOptions, NameReaders) {
  const auto options = read(R"([upstream."a.test"]
readers = ["ci team/app", "batch  team/*", "* *"]
)");

  ASSERT_TRUE(options.ok()) << options.status();
  std::vector<std::string> readers;
  for (const auto& reader : options->upstreams.configured[0].readers)
    readers.push_back(str_cat(reader.client, " ", reader.repositories));
  EXPECT_THAT(readers, ElementsAre("ci team/app", "batch team/*", "* *"));
}

TEST(SiteOptions, RefuseReadersThatMightMeanSomethingElse) {
  for (const char* reader : {"ci", "ci a b", "ci */app", "", "ci team/**"})
    EXPECT_THAT(error(str_cat("[upstream.\"a.test\"]\nreaders = [\"", reader, "\"]\n")), HasSubstr("in readers")) << reader;
}

TEST(SiteOptions, RefuseAHostThatStandsForTwoRegistries) {
  EXPECT_THAT(error("[upstream.\"a.test\"]\nhosts = [\"site.test\"]\n[upstream.\"b.test\"]\nhosts = [\"SITE.test\"]\n"),
              HasSubstr("SITE.test"));
  EXPECT_THAT(error("[upstream.\"a.test\"]\nhosts = [\"not a host\"]\n"), HasSubstr("not a host"));
}

TEST(SiteOptions, KeepWhatOnlyTheSiteMayReadFromWhoeverComesOverTheNetwork) {
  const auto options = read("listen = \"0.0.0.0:7700\"\naccess = \"open\"\n");

  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->upstreams.others.share, Share::kEntitled);
}

TEST(SiteOptions, NameWhatIsMistyped) {
  EXPECT_THAT(error("tag_tll = \"5m\"\n"), HasSubstr("tag_tll"));
  EXPECT_THAT(error("[upstream.\"a.test\"]\nusername = \"me\"\n"), HasSubstr("password_file"));
}

}  // namespace
}  // namespace samara
