// A registry that wants to see a certificate, behind an authority of its own and, at times, behind a proxy.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/http/server.h"
#include "base/text.h"
#include "connect_proxy.h"
#include "fake_clock.h"
#include "registry_proxy/upstream.h"
#include "test_authority.h"

namespace samara::registry_proxy {
namespace {

using ::testing::SizeIs;

class UpstreamTls : public ::testing::Test {
 protected:
  UpstreamTls() {
    http::Server::Options options;
    const auto pair = authority_.issue("registry", {"registry", {"DNS:registry.invalid", "IP:127.0.0.1"}});
    options.tls.emplace(http::TlsOptions{pair.certificate, pair.key, authority_.file()});
    server_ = *http::Server::create(options, [](const http::Request& request, http::ResponseWriter& out) {
      if (!request.identity) return (void)out.respond(403);
      (void)out.respond(200, request.identity->common_name);
    });
    config_.registry = std::string("registry.invalid");
    config_.urls = {url_of("127.0.0.1")};
    config_.ca_file = authority_.file();
  }
  std::string url_of(std::string_view host) const { return str_cat("https://", host, ":", server_->port()); }
  void have_certificate() {
    const auto pair = authority_.issue("site", {"the site"});
    config_.client_certificate = pair.certificate;
    config_.client_key = pair.key;
  }
  absl::StatusOr<std::string> fetch() {
    Upstream upstream(config_, client_, clock_, metrics_);
    Upstream::Request request;
    request.repository = std::string("app");
    request.reference = std::string("latest");
    std::string body;
    const absl::Status status = upstream.fetch(
        request, [](const http::ResponseHead&) { return absl::OkStatus(); },
        [&](std::span<const std::uint8_t> data) {
          body += as_text(data);
          return absl::OkStatus();
        });
    if (!status.ok()) return status;
    return body;
  }

  TestAuthority authority_;
  std::unique_ptr<http::Server> server_;
  http::Client client_;
  FakeClock clock_;
  Metrics metrics_;
  UpstreamConfig config_;
};

TEST_F(UpstreamTls, IsShownTheConfiguredCertificate) {
  have_certificate();

  const auto body = fetch();

  ASSERT_TRUE(body.ok()) << body.status();
  EXPECT_EQ(*body, "the site");
}

TEST_F(UpstreamTls, RefusesWhoHasNone) { EXPECT_EQ(fetch().status().code(), absl::StatusCode::kPermissionDenied); }

TEST_F(UpstreamTls, IsReachedThroughAProxyOfTheEnvironment) {
  const ConnectProxy proxy;
  ::setenv("HTTPS_PROXY", proxy.url().c_str(), 1);
  have_certificate();
  config_.urls = {url_of("registry.invalid")};  // a name that only the proxy knows

  const auto body = fetch();
  ::unsetenv("HTTPS_PROXY");

  ASSERT_TRUE(body.ok()) << body.status();
  EXPECT_EQ(*body, "the site");
  EXPECT_THAT(proxy.requests(), SizeIs(1));
}

}  // namespace
}  // namespace samara::registry_proxy
