#include "credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>

#include "base/file.h"
#include "base/text.h"
#include "credential_helper.h"
#include "registry_proxy/identity.h"

namespace samara::registry_proxy {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;

// "me:hunter2" and "you:secret"
constexpr std::string_view kConfig = R"({
  "auths": {
    "https://index.docker.io/v1/": {"auth": "bWU6aHVudGVyMg=="},
    "https://other.test/v2/": {"auth": "eW91OnNlY3JldA=="},
    "plain.test:5000": {"username": "me", "password": "hunter2"},
    "token.test": {"identitytoken": "refresh-me"},
    "quay.test/team": {"auth": "bWU6aHVudGVyMg=="},
    "empty.test": {}
  },
  "credHelpers": {"helped.test": "own"}
})";

TEST(DockerConfig, FindsARegistryByAnyOfItsKeys) {
  const auto hub = find_docker_credential(kConfig, "docker.io");
  const auto other = find_docker_credential(kConfig, "other.test");
  const auto plain = find_docker_credential(kConfig, "plain.test:5000");

  ASSERT_TRUE(hub.ok() && other.ok() && plain.ok());
  EXPECT_EQ(hub->entry->basic(), "Basic bWU6aHVudGVyMg==");
  EXPECT_EQ(other->entry->basic(), "Basic eW91OnNlY3JldA==");
  EXPECT_EQ(plain->entry->basic(), "Basic bWU6aHVudGVyMg==");
  EXPECT_EQ(find_docker_credential(kConfig, "token.test")->entry->identity_token, "refresh-me");
}

TEST(DockerConfig, HasNothingForOtherRegistriesAndForPartsOfOne) {
  for (const char* registry : {"quay.test", "empty.test", "nowhere.test", "plain.test"})
    EXPECT_FALSE(find_docker_credential(kConfig, registry)->entry.has_value()) << registry;
}

TEST(DockerConfig, PrefersARegistrysHelperToTheStore) {
  const std::string config = R"({"credsStore":"all","credHelpers":{"helped.test":"own"}})";

  EXPECT_EQ(find_docker_credential(config, "helped.test")->helper, "own");
  EXPECT_EQ(find_docker_credential(config, "docker.io")->helper, "all");
  EXPECT_EQ(find_docker_credential(config, "docker.io")->server, "https://index.docker.io/v1/");
  EXPECT_EQ(find_docker_credential(config, "helped.test")->server, "helped.test");
}

TEST(DockerConfig, RefusesWhatIsNotOneAndTellsNothingOfIt) {
  const std::vector<std::string> configs = {"", "[]", R"({"auths":{"a.test":{"auth":"hunter2"}}})",
                                            R"({"auths":{"a.test":{"auth":"bWVodW50ZXIy"}}})",
                                            R"({"credsStore":"../hunter2"})", R"({"credsStore":"a b"})"};
  for (const std::string& config : configs) {
    const auto found = find_docker_credential(config, "a.test");
    EXPECT_TRUE(absl::IsInvalidArgument(found.status())) << config;
    EXPECT_THAT(std::string(found.status().message()), Not(HasSubstr("hunter2"))) << config;
  }
}

TEST(HelperAnswer, IsAUserWithAPasswordOrAToken) {
  EXPECT_EQ(parse_helper_answer(R"({"ServerURL":"x","Username":"me","Secret":"hunter2"})")->basic(),
            "Basic bWU6aHVudGVyMg==");
  EXPECT_EQ(parse_helper_answer(R"({"Username":"<token>","Secret":"t"})")->identity_token, "t");
  EXPECT_TRUE(absl::IsInvalidArgument(parse_helper_answer(R"({"Username":"me"})").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(parse_helper_answer("hunter2").status()));
}

class CredentialHelperTest : public ::testing::Test {
 protected:
  void SetUp() override {
    old_path_ = std::getenv("PATH");
    ::setenv("PATH", str_cat(directory_.path(), ":", old_path_).c_str(), 1);
  }
  void TearDown() override { ::setenv("PATH", old_path_.c_str(), 1); }

  void add_helper(std::string_view name, std::string_view script) {
    const std::string path = str_cat(directory_.path(), "/docker-credential-", name);
    ASSERT_TRUE(write_file_atomic(path, str_cat("#!/bin/sh\n", script, "\n"), 0755).ok());
  }
  static absl::StatusOr<std::optional<Credential>> run(const std::string& name, milliseconds limit = milliseconds(20'000)) {
    return run_credential_helper(name, "some.test", limit);
  }

  const TempDir directory_ = *TempDir::create("helpers");
  std::string old_path_;
};

TEST_F(CredentialHelperTest, IsAskedForTheServer) {
  add_helper("good", R"sh(printf '{"Username":"%s","Secret":"%s"}' "$1" "$(cat)")sh");

  const auto credential = run("good");

  ASSERT_TRUE(credential.ok()) << credential.status();
  EXPECT_EQ((*credential)->username, "get");
  EXPECT_EQ((*credential)->password, "some.test");
}

TEST_F(CredentialHelperTest, MayKnowNothing) {
  add_helper("empty", "echo 'credentials not found in native keychain'; exit 1");

  const auto credential = run("empty");

  ASSERT_TRUE(credential.ok()) << credential.status();
  EXPECT_FALSE(credential->has_value());
}

TEST_F(CredentialHelperTest, IsNotWaitedForLongerThanTheLimit) {
  add_helper("slow", "exec sleep 1000");
  add_helper("parent", "sleep 1000 & wait");
  add_helper("closed", "exec >&-; exec sleep 1000");

  for (const char* name : {"slow", "parent", "closed"})
    EXPECT_TRUE(absl::IsDeadlineExceeded(run(name, milliseconds(50)).status())) << name;
}

TEST_F(CredentialHelperTest, FailsWithoutTellingWhatItPrinted) {
  add_helper("broken", "echo hunter2; echo hunter2 >&2; exit 3");
  add_helper("chatty", "echo hunter2");
  add_helper("endless", "exec yes hunter2");
  const std::vector<std::pair<std::string, absl::StatusCode>> expected = {
      {"broken", absl::StatusCode::kFailedPrecondition},
      {"chatty", absl::StatusCode::kInvalidArgument},
      {"endless", absl::StatusCode::kInvalidArgument},
      {"absent", absl::StatusCode::kNotFound}};

  for (const auto& [name, code] : expected) {
    const auto result = run(name);
    EXPECT_EQ(result.status().code(), code) << name << " " << result.status();
    EXPECT_THAT(std::string(result.status().message()), Not(HasSubstr("hunter2")));
  }
}

TEST_F(CredentialHelperTest, GoesBeforeTheEntriesOfTheFile) {
  add_helper("some", R"sh(test "$(cat)" = has.test && echo '{"Username":"helper","Secret":"s"}' ||
                        { echo 'credentials not found'; exit 1; })sh");
  UpstreamConfig config;
  config.docker_config = directory_.path() + "/config.json";
  ASSERT_TRUE(write_file_atomic(config.docker_config, R"({"credsStore":"some","auths":{
      "has.test":{"username":"file","password":"p"},"lacks.test":{"username":"file","password":"p"}}})").ok());

  std::vector<std::string> users;
  for (const char* registry : {"has.test", "lacks.test"}) {
    config.registry = registry;
    const auto credential = Credentials(config).get();
    ASSERT_TRUE(credential.ok()) << credential.status();
    users.push_back((*credential)->username);
  }

  EXPECT_EQ(users, (std::vector<std::string>{"helper", "file"}));
}

TEST(Identity, IsReadFromABasicAuthorization) {
  const auto me = Identity::of_client("Basic bWU6aHVudGVyMg==");
  const auto again = Identity::of_client("basic  bWU6aHVudGVyMg==");
  const auto you = Identity::of_client("Basic eW91OnNlY3JldA==");

  ASSERT_TRUE(me && again && you);
  EXPECT_EQ(me->kind(), Identity::Kind::kClient);
  EXPECT_EQ(me->key(), again->key());
  EXPECT_EQ(me->authorization(), again->authorization());
  EXPECT_NE(me->key(), you->key());
  EXPECT_THAT(me->key(), Not(HasSubstr("bWU6aHVudGVyMg")));
}

TEST(Identity, IsNobodysForAnythingElse) {
  for (const char* value : {"", "Basic", "Basic ", "Basic Og==", "Basic !!!", "Basic bWVodW50ZXIy", "Bearer abc"})
    EXPECT_FALSE(Identity::of_client(value).has_value()) << value;
}

}  // namespace
}  // namespace samara::registry_proxy
