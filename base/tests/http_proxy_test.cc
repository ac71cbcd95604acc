// HTTP proxies from the environment.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/http/client.h"
#include "base/http/server.h"
#include "base/text.h"
#include "connect_proxy.h"
#include "test_authority.h"

namespace samara::http {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// A server over TLS whose name no resolver knows: only a proxy leads to it.
class HttpProxy : public ::testing::Test {
 protected:
  HttpProxy() {
    forget_proxies();
    Server::Options options;
    const auto pair = authority_.issue("server", {"registry", {"DNS:registry.invalid", "IP:127.0.0.1"}});
    options.tls.emplace(TlsOptions{pair.certificate, pair.key, ""});
    server_ = *Server::create(options, [](const Request&, ResponseWriter& out) { (void)out.respond(200, "the registry"); });
  }
  ~HttpProxy() override { forget_proxies(); }

  static void forget_proxies() {
    for (const char* name : {"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
                             "no_proxy", "NO_PROXY"})
      ::unsetenv(name);
  }
  static void set(const char* name, const std::string& value) { ::setenv(name, value.c_str(), 1); }

  absl::StatusOr<std::string> get(std::string_view scheme, std::string_view host) {
    ClientRequest request;
    request.url = str_cat(scheme, "://", host, ":", server_->port(), "/v2/");
    request.ca_file = authority_.file();
    request.connect_timeout = connect_timeout_;
    const auto response = client_.get(request);
    if (!response.ok()) return response.status();
    return response->body;
  }
  std::string connect_line() const { return str_cat("CONNECT registry.invalid:", server_->port(), " HTTP/1.1"); }

  TestAuthority authority_;
  std::unique_ptr<Server> server_;
  Client client_;
  std::chrono::milliseconds connect_timeout_{5'000};
};

TEST_F(HttpProxy, LeadsToAnHttpsServerThroughATunnel) {
  const ConnectProxy proxy;
  set("HTTPS_PROXY", proxy.url());

  const auto body = get("https", "registry.invalid");

  ASSERT_TRUE(body.ok()) << body.status();
  EXPECT_EQ(*body, "the registry");
  EXPECT_THAT(proxy.requests(), ElementsAre(connect_line()));
}

TEST_F(HttpProxy, IsAskedForAnHttpUrl) {
  const ConnectProxy proxy;
  set("HTTP_PROXY", proxy.url());

  const auto body = get("http", "registry.invalid");

  ASSERT_TRUE(body.ok()) << body.status();
  EXPECT_EQ(*body, "by the proxy");
  EXPECT_THAT(proxy.requests(),
              ElementsAre(str_cat("GET http://registry.invalid:", server_->port(), "/v2/ HTTP/1.1")));
}

TEST_F(HttpProxy, IsLeftOutForTheHostsOfNoProxy) {
  const ConnectProxy proxy;
  set("HTTPS_PROXY", proxy.url());
  set("HTTP_PROXY", proxy.url());

  for (const char* list : {"other.invalid,registry.invalid", ".invalid", "*"}) {
    set("NO_PROXY", list);
    EXPECT_FALSE(get("https", "registry.invalid").ok()) << list;  // no such name
    EXPECT_FALSE(get("http", "registry.invalid").ok()) << list;
  }

  EXPECT_THAT(proxy.requests(), IsEmpty());
}

TEST_F(HttpProxy, IsNeverAskedForThisMachine) {
  const ConnectProxy proxy;
  set("https_proxy", proxy.url());
  set("ALL_PROXY", proxy.url());
  set("NO_PROXY", "other.invalid");

  const auto body = get("https", "127.0.0.1");
  (void)get("https", "localhost");
  (void)get("http", "[::1]");

  ASSERT_TRUE(body.ok()) << body.status();
  EXPECT_THAT(proxy.requests(), IsEmpty());
}

TEST_F(HttpProxy, ThatRefusesMakesTheServerUnavailable) {
  const ConnectProxy proxy(ConnectProxy::Mood::kRefuses);
  std::string url = proxy.url();
  set("HTTPS_PROXY", url.insert(std::string_view("http://").size(), "user:hunter2@"));

  const absl::Status status = get("https", "registry.invalid").status();

  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("403"));
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("hunter2")));
}

TEST_F(HttpProxy, ThatIsSilentEndsWithTheTimeToConnect) {
  const ConnectProxy proxy(ConnectProxy::Mood::kSilent);
  set("HTTPS_PROXY", proxy.url());
  connect_timeout_ = std::chrono::milliseconds(50);

  EXPECT_EQ(get("https", "registry.invalid").status().code(), absl::StatusCode::kDeadlineExceeded);
}

}  // namespace
}  // namespace samara::http
