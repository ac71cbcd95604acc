// The client toward Debian's docker-registry with a password file, and with a token server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/http/client.h"
#include "base/text.h"
#include "child_process.h"
#include "oci_layout.h"
#include "registry_proxy/upstream.h"

namespace samara::registry_proxy {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kTokenServer = SAMARA_TOKEN_SERVER;

// A registry with one image, "private/app:1" and "public/app:1", of the user "me" with the password "hunter2".
class LoginTest : public ::testing::Test {
 protected:
  void start_registry(std::string_view auth) {
    const std::string config = directory_.path() + "/registry.yml";
    ASSERT_TRUE(write_file_atomic(config, str_cat("version: 0.1\nlog: {level: info}\nstorage: {filesystem: {rootdirectory: ",
                                                  directory_.path(), "/registry}}\nhttp: {addr: \"", address_,
                                                  "\"}\nauth: {", auth, "}\n"))
                    .ok());
    registry_ = std::make_unique<ChildProcess>(std::vector<std::string>{"docker-registry", "serve", config});
    ASSERT_TRUE(registry_->wait_for_output("listening on")) << registry_->output();
    for (const char* repository : {"private/app", "public/app"}) {
      const auto [code, output] =
          skopeo_copy({"--dest-tls-verify=false", "--dest-creds=me:hunter2", str_cat("oci:", directory_.path(), "/layout:1"),
                       str_cat("docker://", address_, "/", repository, ":1")});
      ASSERT_EQ(code, 0) << output;
    }
  }
  void start_with_passwords() {
    // bcrypt of "hunter2"
    ASSERT_TRUE(write_file_atomic(directory_.path() + "/htpasswd",
                                  "me:$2b$04$.gbEhqZ7Vcrtt8hyYWnudOoTDPOhS3SsJuFpmUkdpiT/ncqyN/PRq\n").ok());
    start_registry(str_cat("htpasswd: {realm: test, path: ", directory_.path(), "/htpasswd}"));
  }
  void start_with_tokens() {
    const std::uint16_t port = free_port();
    tokens_ = std::make_unique<ChildProcess>(std::vector<std::string>{
        "python3", std::string(kTokenServer), str_cat(port), directory_.path(), "me:hunter2", "refresh-me"});
    ASSERT_TRUE(tokens_->wait_for_output("ready")) << tokens_->output();
    start_registry(str_cat("token: {realm: \"http://127.0.0.1:", port, "/token\", service: samara-test, ",
                           "issuer: samara-test, rootcertbundle: ", directory_.path(), "/cert.pem}"));
  }
  UpstreamConfig config() const {
    UpstreamConfig config;
    config.registry = "login.test";
    config.urls = {str_cat("http://", address_)};
    return config;
  }
  UpstreamConfig with_docker_config(std::string_view entry) {
    UpstreamConfig config = this->config();
    config.docker_config = directory_.path() + "/config.json";
    EXPECT_TRUE(write_file_atomic(config.docker_config, str_cat(R"({"auths":{"login.test":)", entry, "}}")).ok());
    return config;
  }
  // Asks for the image's manifest; its size, or the error.
  absl::StatusOr<std::size_t> pull(UpstreamConfig config, std::string_view repository, const Identity& as = {}) {
    Upstream upstream(std::move(config), client_, clock_, metrics_);
    Upstream::Request request;
    request.kind = Upstream::Request::Kind::kManifest;
    request.repository = repository;
    request.reference = "1";
    request.as = as;
    std::size_t size = 0;
    const absl::Status status = upstream.fetch(
        request, [](const http::ResponseHead&) { return absl::OkStatus(); },
        [&](std::span<const std::uint8_t> data) {
          size += data.size();
          return absl::OkStatus();
        });
    if (!status.ok()) return status;
    return size;
  }
  absl::StatusCode pull_code(const UpstreamConfig& config, std::string_view repository, const Identity& as = {}) {
    return pull(config, repository, as).status().code();
  }

  static constexpr auto kOk = absl::StatusCode::kOk;
  static constexpr auto kRefused = absl::StatusCode::kUnauthenticated;
  const TempDir directory_ = *TempDir::create("login");
  const Layout layout_{directory_.path() + "/layout"};
  const std::string address_ = str_cat("127.0.0.1:", free_port());
  const SystemClock clock_;
  Metrics metrics_;
  http::Client client_;
  std::unique_ptr<ChildProcess> tokens_, registry_;
  const Identity me_ = *Identity::of_client("Basic bWU6aHVudGVyMg=="), stranger_ = *Identity::of_client("Basic eDp5");
  const std::string right_ = R"({"auth":"bWU6aHVudGVyMg=="})", wrong_ = R"({"username":"me","password":"wrong-one"})";
};

TEST_F(LoginTest, LogsInToARegistryWithPasswords) {
  start_with_passwords();

  EXPECT_EQ(pull(with_docker_config(right_), "private/app").value_or(0), layout_.manifest.size());
  EXPECT_EQ(pull_code(with_docker_config(wrong_), "private/app"), kRefused);
  EXPECT_EQ(pull_code(config(), "private/app"), kRefused);
  EXPECT_EQ(pull_code(config(), "private/app", me_), kOk);
  EXPECT_EQ(pull_code(config(), "private/app", stranger_), kRefused);
}

TEST_F(LoginTest, LogsInToARegistryWithATokenServer) {
  start_with_tokens();

  EXPECT_EQ(pull(with_docker_config(right_), "private/app").value_or(0), layout_.manifest.size());
  EXPECT_EQ(pull_code(with_docker_config(wrong_), "private/app"), kRefused);
  EXPECT_EQ(pull_code(with_docker_config(R"({"identitytoken":"refresh-me"})"), "private/app"), kOk);
  EXPECT_EQ(pull_code(with_docker_config(R"({"identitytoken":"another"})"), "private/app"), kRefused);
  EXPECT_EQ(pull_code(config(), "private/app"), kRefused);
  EXPECT_EQ(pull_code(config(), "public/app"), kOk);
  EXPECT_EQ(pull_code(config(), "private/app", me_), kOk);
  EXPECT_EQ(pull_code(config(), "private/app", stranger_), kRefused);
}

TEST_F(LoginTest, TellsNoSecretInErrorsAndLogs) {
  start_with_tokens();
  ::testing::internal::CaptureStderr();

  const auto password = pull(with_docker_config(wrong_), "private/app");
  const auto token = pull(with_docker_config(R"({"identitytoken":"another"})"), "private/app");

  const std::string logs = ::testing::internal::GetCapturedStderr();
  for (const std::string& text : {logs, std::string(password.status().message()), std::string(token.status().message())})
    EXPECT_THAT(text, Not(AnyOf(HasSubstr("wrong-one"), HasSubstr("another"), HasSubstr("bWU6"))));
}

}  // namespace
}  // namespace samara::registry_proxy
