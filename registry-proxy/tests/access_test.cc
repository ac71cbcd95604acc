#include "registry_proxy/access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/escaping.h"
#include "base/http/client.h"
#include "base/text.h"
#include "test_authority.h"

namespace samara::registry_proxy {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kToken = "0123456789abcdef";

/// A server behind Access that answers with the client's name and what is left of its credentials.
class AccessTest : public ::testing::Test {
 protected:
  void SetUp() override { write_tokens(str_cat("node-1 ", kToken, "\n")); }

  void write_tokens(std::string_view text) { ASSERT_TRUE(write_file_atomic(tokens_file_, text).ok()); }
  void serve(const Access::Options& options) {
    auto access = Access::create(options);
    ASSERT_TRUE(access.ok()) << access.status();
    access_ = std::move(*access);
    http::Server::Options server;
    const auto pair = authority_.issue_server();
    server.tls.emplace(http::TlsOptions{pair.certificate, pair.key, options.certificates ? authority_.file() : ""});
    server_ = *http::Server::create(server, [this](const http::Request& asked, http::ResponseWriter& out) {
      http::Request request = asked;
      const auto client = access_->admit(request);
      if (!client) return access_->refuse(request, out);
      (void)out.respond(200, str_cat("<", *client, "> ", request.headers.get("Authorization"),
                                     request.headers.get("Samara-Token")));
    });
  }
  void serve_tokens() { serve({.open = false, .certificates = false, .tokens_file = tokens_file_}); }

  http::Response ask(std::string_view name = "", const std::string& value = "") {
    http::ClientRequest request;
    request.url = str_cat("https://127.0.0.1:", server_->port(), "/v2/");
    request.ca_file = authority_.file();
    request.client_certificate = pair_.certificate;
    request.client_key = pair_.key;
    if (!name.empty()) request.headers.add(name, value);
    auto response = client_.get(request);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? *response : http::Response{};
  }
  static std::string basic(std::string_view user, std::string_view password) {
    return str_cat("Basic ", absl::Base64Escape(str_cat(user, ":", password)));
  }

  TestAuthority authority_;
  const std::string tokens_file_ = authority_.directory() + "/tokens";
  TestAuthority::Pair pair_;  // what is shown to the server
  std::unique_ptr<Access> access_;
  std::unique_ptr<http::Server> server_;
  http::Client client_;
};

TEST_F(AccessTest, LetsEverybodyInWhereNothingIsAsked) {
  serve({});

  EXPECT_EQ(ask().body, "<> ");
  EXPECT_EQ(ask("Authorization", "Basic b3RoZXI=").body, "<> Basic b3RoZXI=");
  EXPECT_EQ(ask("Samara-Token", std::string(kToken)).body, "<> ");
}

TEST_F(AccessTest, TakesATokenInAnyOfThreeWaysAndHidesIt) {
  serve_tokens();

  EXPECT_EQ(ask("Samara-Token", std::string(kToken)).body, "<node-1> ");
  EXPECT_EQ(ask("Authorization", str_cat("Bearer ", kToken)).body, "<node-1> ");
  EXPECT_EQ(ask("Authorization", basic("whoever", kToken)).body, "<node-1> ");
}

TEST_F(AccessTest, ChallengesOneWhoShowsNothing) {
  serve_tokens();

  const http::Response refused = ask();

  EXPECT_EQ(refused.head.status, 401);
  EXPECT_EQ(refused.head.headers.get("WWW-Authenticate"), "Basic realm=\"samara\"");
  EXPECT_THAT(refused.body, HasSubstr("\"UNAUTHORIZED\""));
}

TEST_F(AccessTest, DeniesOneWhoShowsSomethingElseOnceAndForAll) {
  serve_tokens();

  for (const std::string& value : {basic("user", "hunter2"), basic("user", ""), std::string("Bearer x"),
                                   str_cat("Digest ", kToken), std::string(kToken)}) {
    const http::Response refused = ask("Authorization", value);
    EXPECT_EQ(refused.head.status, 403) << value;
    EXPECT_EQ(refused.head.headers.find("WWW-Authenticate"), std::nullopt);
  }
  EXPECT_EQ(ask("Samara-Token", "0123456789abcdeF").head.status, 403);
}

TEST_F(AccessTest, LeavesAuthorizationToTheRegistryBesideASamaraToken) {
  serve_tokens();
  http::Request request;
  request.headers.add("Samara-Token", kToken);
  request.headers.add("Authorization", basic("me", "registry-password"));

  EXPECT_EQ(access_->admit(request), "node-1");

  EXPECT_EQ(request.headers.get("Authorization"), basic("me", "registry-password"));
  EXPECT_EQ(request.headers.find("Samara-Token"), std::nullopt);
}

TEST_F(AccessTest, FollowsTheTokensFile) {
  serve_tokens();

  write_tokens("node-2 fedcba9876543210\n");
  EXPECT_EQ(ask("Samara-Token", std::string(kToken)).head.status, 403);
  EXPECT_EQ(ask("Samara-Token", "fedcba9876543210").body, "<node-2> ");
  write_tokens("node-3\n");  // can't be used

  EXPECT_EQ(ask("Samara-Token", "fedcba9876543210").body, "<node-2> ");
}

TEST_F(AccessTest, TakesACertificateAndLeavesAuthorizationAlone) {
  serve({.open = false, .certificates = true, .tokens_file = ""});
  pair_ = authority_.issue("node", {"node-7", {"DNS:n7.example"}});

  EXPECT_EQ(ask("Authorization", "Basic b3RoZXI=").body, "<node-7> Basic b3RoZXI=");
}

TEST_F(AccessTest, NamesAClientByDnsWhereItsCertificateHasNoCommonName) {
  serve({.open = false, .certificates = true, .tokens_file = ""});
  http::Request request;
  request.identity = http::ClientIdentity{"", {"n7.example", "n7"}};

  EXPECT_EQ(access_->admit(request), "n7.example");
}

TEST_F(AccessTest, DeniesOneWithoutACertificateWithoutAChallenge) {
  serve({.open = false, .certificates = true, .tokens_file = ""});

  const http::Response refused = ask("Samara-Token", std::string(kToken));

  EXPECT_EQ(refused.head.status, 403);
  EXPECT_THAT(refused.body, HasSubstr("\"DENIED\""));
}

TEST_F(AccessTest, TakesEitherWhereBothAreConfigured) {
  serve({.open = false, .certificates = true, .tokens_file = tokens_file_});

  EXPECT_EQ(ask("Samara-Token", std::string(kToken)).body, "<node-1> ");
  EXPECT_EQ(ask().head.status, 401);
  pair_ = authority_.issue("node", {"node-7"});
  EXPECT_EQ(ask().body, "<node-7> ");
  EXPECT_EQ(ask("Authorization", str_cat("Bearer ", kToken)).body, "<node-7> ") << "the site's token goes no further";
}

TEST_F(AccessTest, TellsWhatIsWrongWithTheTokensFile) {
  EXPECT_EQ(Access::create({.open = false, .certificates = false, .tokens_file = "/nowhere"}).status().code(),
            absl::StatusCode::kNotFound);
  write_tokens("x\n");
  EXPECT_EQ(Access::create({.open = false, .certificates = false, .tokens_file = tokens_file_}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(AccessCheck, WantsToKnowWhoMayUseAnAddressThatOthersReach) {
  http::Server::Options loopback, network;
  loopback.listen = "127.0.0.1:7700";
  network.listen = "0.0.0.0:7700";

  EXPECT_TRUE(Access::check(loopback, {}).ok());
  EXPECT_TRUE(Access::check(network, {.open = true, .certificates = false, .tokens_file = ""}).ok());
  EXPECT_TRUE(Access::check(network, {.open = false, .certificates = true, .tokens_file = ""}).ok());
  EXPECT_TRUE(Access::check(network, {.open = false, .certificates = false, .tokens_file = "t"}).ok());
  EXPECT_THAT(std::string(Access::check(network, {}).message()), HasSubstr("0.0.0.0:7700"));
  EXPECT_FALSE(Access::check(loopback, {.open = true, .certificates = true, .tokens_file = ""}).ok());
  EXPECT_FALSE(Access::check(network, {.open = true, .certificates = false, .tokens_file = "t"}).ok());
}

}  // namespace
}  // namespace samara::registry_proxy
