// A node and a site that wants to know who asks.
#include "peer/site_access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/http/server.h"
#include "base/text.h"
#include "cache_index/hasher.h"
#include "peer/site_client.h"
#include "test_authority.h"

namespace samara::peer {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kBytes = "0123456789";

/// A site over TLS that serves kBytes to those with a certificate or the token "secret".
class SiteAccessTest : public ::testing::Test {
 protected:
  SiteAccessTest() {
    http::Server::Options options;
    const auto pair = authority_.issue_server();
    options.tls.emplace(http::TlsOptions{pair.certificate, pair.key, authority_.file()});
    site_ = *http::Server::create(options, [](const http::Request& request, http::ResponseWriter& out) {
      if (!request.identity && request.headers.get(kTokenHeader) != "secret") return (void)out.respond(403);
      if (request.target.path.starts_with(kLayersPath)) return (void)out.respond(200, encode(LayerStatus{}));
      (void)out.respond(200, kBytes);
    });
    options_.ca = authority_.file();
  }
  std::string url() const { return str_cat("https://127.0.0.1:", site_->port()); }
  std::string write(std::string_view name, std::string_view text) const {
    const std::string path = str_cat(authority_.directory(), "/", name);
    EXPECT_TRUE(write_file_atomic(path, text).ok());
    return path;
  }
  SiteClient site_client(std::vector<std::string> urls) {
    auto access = SiteAccess::create(options_);
    EXPECT_TRUE(access.ok()) << access.status();
    return {client_, std::move(urls), *std::move(access)};
  }
  static absl::StatusOr<std::string> fetch(SiteClient& site) {
    std::string got;
    const absl::Status status =
        site.fetch(cache_index::sha256(as_bytes(kBytes)), {0, kBytes.size()}, {}, [&](std::span<const std::uint8_t> bytes) {
          got += as_text(bytes);
          return absl::OkStatus();
        });
    if (!status.ok()) return status;
    return got;
  }

  TestAuthority authority_;
  std::unique_ptr<http::Server> site_;
  http::Client client_;
  SiteAccess::Options options_;
};

TEST_F(SiteAccessTest, ShowsACertificate) {
  const auto pair = authority_.issue("node", {"node-7"});
  options_.certificate = pair.certificate;
  options_.key = pair.key;
  SiteClient site = site_client({url()});

  const auto got = fetch(site);

  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(*got, kBytes);
  EXPECT_TRUE(site.layer_status({.layer = cache_index::sha256(as_bytes(kBytes))}).ok());
}

TEST_F(SiteAccessTest, ShowsATokenAndFollowsItsFile) {
  options_.token_file = write("token", "old\n");
  SiteClient site = site_client({url()});
  ASSERT_FALSE(fetch(site).ok());

  write("token", "secret\n");

  EXPECT_TRUE(fetch(site).ok());
}

TEST_F(SiteAccessTest, IsAwayForANodeThatItDoesNotKnow) {
  SiteClient site = site_client({url()});

  for (const absl::Status& status :
       {fetch(site).status(), site.layer_status({.layer = cache_index::sha256(as_bytes(kBytes))}).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(std::string(status.message()), HasSubstr("403"));
  }
}

TEST_F(SiteAccessTest, GoesOnToASiteThatKnowsTheNode) {
  const auto other = *http::Server::create({}, [](const http::Request&, http::ResponseWriter& out) {
    (void)out.respond(200, kBytes);
  });
  SiteClient site = site_client({url(), str_cat("http://127.0.0.1:", other->port())});

  EXPECT_TRUE(fetch(site).ok());
}

TEST_F(SiteAccessTest, IsNotTrustedWithoutItsAuthority) {
  options_.ca.clear();
  SiteClient site = site_client({url()});

  EXPECT_EQ(fetch(site).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(SiteAccessTest, TellsWhatItCannotUse) {
  options_.certificate = "node.pem";
  EXPECT_EQ(SiteAccess::create(options_).status().code(), absl::StatusCode::kInvalidArgument);
  options_.certificate.clear();
  for (const char* text : {"", "\n", "two words\n", "two\nlines\n"}) {
    options_.token_file = write("token", text);
    EXPECT_EQ(SiteAccess::create(options_).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  options_.token_file = "/nowhere";
  EXPECT_EQ(SiteAccess::create(options_).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace samara::peer
