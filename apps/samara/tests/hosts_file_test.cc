#include "hosts_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/config.h"

namespace samara::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(HostsFile, AsksTheSiteFirstAndTheRegistryWhenThatIsAway) {
  const auto text = hosts_file("docker.io", {.urls = {"http://site:7700"}});

  ASSERT_TRUE(text.ok()) << text.status();
  auto config = *Config::parse(*text, "hosts.toml");
  EXPECT_EQ(config.text("server"), "https://registry-1.docker.io");
  const auto hosts = config.tables("host");
  ASSERT_EQ(hosts.size(), 1u);
  EXPECT_EQ(hosts[0]->key(), "http://site:7700");
  EXPECT_THAT(hosts[0]->texts("capabilities"), ElementsAre("pull", "resolve"));
  EXPECT_TRUE(config.finish().ok()) << config.finish();  // and nothing that 1.6 doesn't know
}

TEST(HostsFile, ForAllRegistriesNamesNoServer) {
  EXPECT_THAT(*hosts_file("_default", {}), Not(HasSubstr("\nserver")));
  EXPECT_THAT(*hosts_file("registry.test:5000", {}), HasSubstr("server = \"https://registry.test:5000\""));
}

TEST(HostsFile, MayForbidTheRegistry) {
  EXPECT_THAT(*hosts_file("_default", {.urls = {"http://site:7700"}, .only = true}), HasSubstr("server = \"http://site:7700\""));
}

TEST(HostsFile, TellsWhatASiteWantsToSee) {
  const auto text = hosts_file("_default", {.urls = {"https://site:7700"}, .ca_file = "/etc/ca \"1\".pem", .cert_file = "/c", .key_file = "/k",
                                            .token = "secret", .containerd_major = 2});

  ASSERT_TRUE(text.ok()) << text.status();
  auto config = *Config::parse(*text, "hosts.toml");
  Config& host = *config.tables("host").at(0);
  EXPECT_EQ(host.text("ca"), "/etc/ca \"1\".pem");
  EXPECT_THAT(*text, HasSubstr("client = [[\"/c\", \"/k\"]]"));
  EXPECT_EQ(host.text("dial_timeout"), "1s");
  EXPECT_EQ(host.table("header").text("Samara-Token"), "secret");
}

TEST(HostsFile, RefusesWhatIsNoRegistryOrUrl) {
  EXPECT_FALSE(hosts_file("../etc", {}).ok());
  EXPECT_FALSE(hosts_file("a/b", {}).ok());
  EXPECT_FALSE(hosts_file("", {}).ok());
  EXPECT_FALSE(hosts_file("_default", {.urls = {"site:7700"}}).ok());
  EXPECT_FALSE(hosts_file("_default", {.urls = {"http://site/v2"}}).ok());
  EXPECT_FALSE(hosts_file("_default", {.cert_file = "/c"}).ok());
}

TEST(HostsFile, KnowsItsOwn) {
  EXPECT_TRUE(is_our_hosts_file(*hosts_file("_default", {})));
  EXPECT_FALSE(is_our_hosts_file("server = \"x\"\n"));
  EXPECT_FALSE(is_our_hosts_file(""));
}

TEST(ChangedLines, AreThoseThatDiffer) {
  EXPECT_THAT(changed_lines("a\nb\nc\n", "a\nB\nc\nd\n"), ElementsAre("-b", "+B", "+d"));
  EXPECT_THAT(changed_lines("", "a\n"), ElementsAre("+a"));
  EXPECT_THAT(changed_lines("a\n", "a\n"), IsEmpty());
}

TEST(HostsFile, AsksTheNodeItselfBeforeTheSite) {
  SiteAccess site;
  site.node = "http://127.0.0.1:7701";

  const auto text = hosts_file("_default", site);

  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_LT(text->find("[host.\"http://127.0.0.1:7701\"]"), text->find("[host.\"http://127.0.0.1:7700\"]"));
  site.node = "nowhere";
  EXPECT_FALSE(hosts_file("_default", site).ok());
}

TEST(HostsFile, NamesEverySamaraSiteInOrder) {
  const auto text = hosts_file("_default", {.urls = {"http://one:7700", "http://two:7700"}, .only = true});

  ASSERT_TRUE(text.ok()) << text.status();
  const std::size_t one = text->find("[host.\"http://one:7700\"]"), two = text->find("[host.\"http://two:7700\"]");
  ASSERT_NE(one, std::string::npos);
  ASSERT_NE(two, std::string::npos);
  EXPECT_LT(one, two);
  EXPECT_THAT(*text, HasSubstr("server = \"http://two:7700\""));
  EXPECT_FALSE(hosts_file("_default", {.urls = {}}).ok());
  EXPECT_FALSE(hosts_file("_default", {.urls = {"http://one:7700", "two"}}).ok());
}

}  // namespace
}  // namespace samara::cli
