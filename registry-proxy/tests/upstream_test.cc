#include "registry_proxy/upstream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/file.h"
#include "base/text.h"
#include "fake_clock.h"
#include "fake_upstream.h"

namespace samara::registry_proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;

class UpstreamTest : public ::testing::Test {
 protected:
  UpstreamConfig config_for(const FakeUpstream& registry) {
    UpstreamConfig config;
    config.registry = "fake.test";
    config.urls = {registry.url() + "/"};
    return config;
  }
  UpstreamConfig with_password(const FakeUpstream& registry) {
    UpstreamConfig config = config_for(registry);
    config.username = "me";
    config.password_file = directory_.path() + "/password";
    EXPECT_TRUE(write_file_atomic(config.password_file, "hunter2\n").ok());
    return config;
  }
  absl::StatusOr<std::string> fetch(Upstream& upstream, const Digest& digest,
                                    std::optional<ByteRange> range = std::nullopt, Identity as = {}) {
    Upstream::Request request;
    request.repository = "app";
    request.reference = digest.to_string();
    request.range = range;
    request.as = std::move(as);
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

  FakeUpstream registry_;
  FakeClock clock_;
  Metrics metrics_;
  http::Client client_;
  TempDir directory_ = *TempDir::create("upstream");
};

TEST_F(UpstreamTest, FetchesABlobOrARangeOfIt) {
  const Digest blob = registry_.add_blob("0123456789");
  Upstream upstream(config_for(registry_), client_, clock_, metrics_);

  EXPECT_EQ(fetch(upstream, blob).value(), "0123456789");
  EXPECT_EQ(fetch(upstream, blob, ByteRange{2, 5}).value(), "234");
  EXPECT_EQ(fetch(upstream, blob, ByteRange{7, Upstream::kOpenEnd}).value(), "789");
}

TEST_F(UpstreamTest, MapsEachAnswerToItsStatus) {
  const Digest blob = registry_.add_blob("x");

  for (const auto& [http, code] : std::vector<std::pair<int, absl::StatusCode>>{
           {401, absl::StatusCode::kUnauthenticated},
           {403, absl::StatusCode::kPermissionDenied},
           {404, absl::StatusCode::kNotFound},
           {416, absl::StatusCode::kOutOfRange},
           {418, absl::StatusCode::kInternal},
           {429, absl::StatusCode::kResourceExhausted},
           {500, absl::StatusCode::kUnavailable},
           {503, absl::StatusCode::kUnavailable}}) {
    registry_.answer("/blobs/", http);
    Upstream upstream(config_for(registry_), client_, clock_, metrics_);
    const auto result = fetch(upstream, blob);
    EXPECT_EQ(result.status().code(), code) << http;
    EXPECT_THAT(std::string(result.status().message()), HasSubstr("fake.test/app@sha256:")) << http;
  }
}

TEST_F(UpstreamTest, GetsATokenOnceAndRenewsItBeforeItExpires) {
  const Digest blob = registry_.add_blob("x");
  registry_.want_bearer(300);
  Upstream upstream(config_for(registry_), client_, clock_, metrics_);

  EXPECT_TRUE(fetch(upstream, blob).ok());
  EXPECT_TRUE(fetch(upstream, blob).ok());
  EXPECT_EQ(registry_.requests("GET", "/token"), 1);
  clock_.advance(seconds(290));
  EXPECT_TRUE(fetch(upstream, blob).ok());

  EXPECT_EQ(registry_.requests("GET", "/token"), 2);
  EXPECT_THAT(registry_.seen_headers("/token", "Authorization"), Each(""));
}

TEST_F(UpstreamTest, RenewsATokenThatTheRegistryNoLongerTakes) {
  const Digest blob = registry_.add_blob("x");
  registry_.want_bearer(300);
  Upstream first(config_for(registry_), client_, clock_, metrics_), second(config_for(registry_), client_, clock_, metrics_);
  EXPECT_TRUE(fetch(first, blob).ok());
  EXPECT_TRUE(fetch(second, blob).ok());  // the fake takes only the last token that it gave

  EXPECT_TRUE(fetch(first, blob).ok());

  EXPECT_EQ(registry_.requests("GET", "/token"), 3);
}

TEST_F(UpstreamTest, ShowsItsPasswordToTheTokenServerOnly) {
  const Digest blob = registry_.add_blob("x");
  registry_.want_bearer(300);
  registry_.accept_password("me", "hunter2");
  Upstream anonymous(config_for(registry_), client_, clock_, metrics_);
  Upstream known(with_password(registry_), client_, clock_, metrics_);

  EXPECT_EQ(fetch(anonymous, blob).status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_TRUE(fetch(known, blob).ok());

  EXPECT_THAT(registry_.seen_headers("/blobs/", "Authorization"), Each(Not(HasSubstr("Basic"))));
}

TEST_F(UpstreamTest, AnswersABasicChallenge) {
  const Digest blob = registry_.add_blob("x");
  registry_.want_basic();
  registry_.accept_password("me", "hunter2");
  Upstream anonymous(config_for(registry_), client_, clock_, metrics_);
  Upstream known(with_password(registry_), client_, clock_, metrics_);

  EXPECT_EQ(fetch(anonymous, blob).status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_TRUE(fetch(known, blob).ok());
}

TEST_F(UpstreamTest, TellsNoPasswordInItsErrors) {
  const Digest blob = registry_.add_blob("x");
  registry_.want_basic();
  registry_.accept_password("me", "another");
  Upstream upstream(with_password(registry_), client_, clock_, metrics_);

  const auto result = fetch(upstream, blob);

  EXPECT_EQ(result.status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_THAT(std::string(result.status().message()), Not(HasSubstr("hunter2")));
}

TEST_F(UpstreamTest, FollowsARedirectWithoutItsCredentials) {
  FakeUpstream storage;
  const Digest blob = storage.add_blob("elsewhere");
  registry_.want_basic();
  registry_.accept_password("me", "hunter2");
  registry_.redirect_blobs(storage.url() + "/store");
  Upstream upstream(with_password(registry_), client_, clock_, metrics_);

  EXPECT_EQ(fetch(upstream, blob).value(), "elsewhere");

  EXPECT_THAT(storage.seen_headers("/store", "Authorization"), Each(""));
}

TEST_F(UpstreamTest, GivesUpOnARegistryThatHangs) {
  const Digest blob = registry_.add_blob("x");
  registry_.hang("/blobs/");
  UpstreamConfig config = config_for(registry_);
  config.idle_timeout = milliseconds(30);
  Upstream upstream(config, client_, clock_, metrics_);

  EXPECT_EQ(fetch(upstream, blob).status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(UpstreamTest, RenewsATokenWithoutBeingToldTo) {
  const Digest blob = registry_.add_blob("x");
  registry_.want_bearer(300);
  Upstream upstream(config_for(registry_), client_, clock_, metrics_);
  EXPECT_TRUE(fetch(upstream, blob).ok());
  clock_.advance(seconds(290));

  EXPECT_TRUE(fetch(upstream, blob).ok());

  EXPECT_EQ(registry_.requests("GET", "/blobs/"), 3);  // the first was refused, for want of a token
}

TEST_F(UpstreamTest, GoesOnWithATokenWhileTheTokenServerIsAway) {
  const Digest blob = registry_.add_blob("x");
  registry_.want_bearer(300);
  Upstream upstream(config_for(registry_), client_, clock_, metrics_);
  EXPECT_TRUE(fetch(upstream, blob).ok());
  registry_.answer("/token", 500);
  clock_.advance(seconds(290));

  EXPECT_TRUE(fetch(upstream, blob).ok());
  clock_.advance(seconds(10));
  EXPECT_EQ(fetch(upstream, blob).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(UpstreamTest, AsksForATokenOnceForAllWhoWantIt) {
  const Digest blob = registry_.add_blob("x");
  registry_.want_bearer(300);
  registry_.hang("/token");
  Upstream upstream(config_for(registry_), client_, clock_, metrics_);
  std::atomic<int> right{0};
  {
    std::vector<std::jthread> clients;
    for (int i = 0; i < 8; ++i)
      clients.emplace_back([&] {
        if (fetch(upstream, blob).ok()) ++right;
      });
    registry_.wait_for_requests("/blobs/", 8);
    registry_.release();
  }

  EXPECT_EQ(right, 8);
  EXPECT_EQ(registry_.requests("GET", "/token"), 1);
}

TEST_F(UpstreamTest, RenewsARevokedTokenOnceAndThenGivesUp) {
  const Digest blob = registry_.add_blob("x");
  registry_.want_bearer(300);
  Upstream upstream(config_for(registry_), client_, clock_, metrics_);
  EXPECT_TRUE(fetch(upstream, blob).ok());
  registry_.accept_no_token();

  EXPECT_EQ(fetch(upstream, blob).status().code(), absl::StatusCode::kUnauthenticated);

  EXPECT_EQ(registry_.requests("GET", "/token"), 2);
  EXPECT_EQ(registry_.requests("GET", "/blobs/"), 4);
}

TEST_F(UpstreamTest, TakesANewPasswordWithoutARestart) {
  const Digest blob = registry_.add_blob("x");
  registry_.want_basic();
  registry_.accept_password("me", "hunter2");
  const UpstreamConfig config = with_password(registry_);
  Upstream upstream(config, client_, clock_, metrics_);
  EXPECT_TRUE(fetch(upstream, blob).ok());
  registry_.accept_password("me", "hunter3");
  EXPECT_EQ(fetch(upstream, blob).status().code(), absl::StatusCode::kUnauthenticated);

  ASSERT_TRUE(write_file_atomic(config.password_file, "hunter3\n").ok());

  EXPECT_TRUE(fetch(upstream, blob).ok());
}

TEST_F(UpstreamTest, DoesNotRepeatAPasswordThatWasRefused) {
  const Digest blob = registry_.add_blob("x");
  registry_.want_basic();
  registry_.accept_password("me", "another");
  Upstream upstream(with_password(registry_), client_, clock_, metrics_);

  EXPECT_FALSE(fetch(upstream, blob).ok());
  EXPECT_FALSE(fetch(upstream, blob).ok());

  EXPECT_EQ(registry_.requests("GET", "/blobs/"), 3);  // without, with, and with again: it may be right by now
}

TEST_F(UpstreamTest, AsksInAClientsNameWithTheClientsCredentialOnly) {
  const Digest blob = registry_.add_blob("x");
  registry_.want_bearer(300);
  registry_.accept_password("client", "own");
  Upstream upstream(with_password(registry_), client_, clock_, metrics_);

  EXPECT_FALSE(fetch(upstream, blob).ok());
  EXPECT_TRUE(fetch(upstream, blob, std::nullopt, *Identity::of_client("Basic Y2xpZW50Om93bg==")).ok());
  EXPECT_FALSE(fetch(upstream, blob, std::nullopt, Identity::anonymous()).ok());

  EXPECT_THAT(registry_.seen_headers("/token", "Authorization"),
              ::testing::ElementsAre("Basic bWU6aHVudGVyMg==", "Basic Y2xpZW50Om93bg==", ""));
}

TEST_F(UpstreamTest, LogsInWithADockerConfig) {
  const Digest blob = registry_.add_blob("x");
  registry_.want_basic();
  registry_.accept_password("me", "hunter2");
  UpstreamConfig config = config_for(registry_);
  config.docker_config = directory_.path() + "/config.json";
  ASSERT_TRUE(write_file_atomic(config.docker_config, R"({"auths":{"fake.test":{"auth":"bWU6aHVudGVyMg=="}}})").ok());
  Upstream upstream(config, client_, clock_, metrics_);

  EXPECT_TRUE(fetch(upstream, blob).ok());
}

TEST_F(UpstreamTest, TellsNoSecretOfADockerConfigThatIsBroken) {
  const Digest blob = registry_.add_blob("x");
  registry_.want_basic();
  registry_.accept_password("me", "hunter2");
  UpstreamConfig config = config_for(registry_);
  config.docker_config = directory_.path() + "/config.json";
  ASSERT_TRUE(write_file_atomic(config.docker_config, R"({"auths":{"fake.test":{"auth":"hunter2}}})").ok());
  Upstream upstream(config, client_, clock_, metrics_);

  const auto result = fetch(upstream, blob);

  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("config.json"));
  EXPECT_THAT(std::string(result.status().message()), Not(HasSubstr("hunter2")));
}

TEST_F(UpstreamTest, AsksAnEndpointThatFailedAfterTheOthersForAWhile) {
  FakeUpstream second;
  const Digest blob = second.add_blob("x");
  registry_.add_blob("x");
  registry_.answer("/", 500);
  UpstreamConfig config = config_for(registry_);
  config.urls.push_back(second.url());
  Upstream upstream(config, client_, clock_, metrics_);

  EXPECT_TRUE(fetch(upstream, blob).ok());
  EXPECT_TRUE(fetch(upstream, blob).ok());
  EXPECT_EQ(registry_.requests("GET", "/blobs/"), 1);
  registry_.answer("/", 0);
  clock_.advance(seconds(31));
  EXPECT_TRUE(fetch(upstream, blob).ok());

  EXPECT_EQ(registry_.requests("GET", "/blobs/"), 2);
  EXPECT_EQ(second.requests("GET", "/blobs/"), 2);
}

TEST_F(UpstreamTest, LetsTheFirstEndpointsAnswerCount) {
  FakeUpstream second;
  registry_.answer("/", 500);
  UpstreamConfig config = config_for(registry_);
  config.urls.push_back(second.url());
  Upstream upstream(config, client_, clock_, metrics_);
  const Digest unknown = *Digest::parse(str_cat("sha256:", std::string(64, 'a')));

  EXPECT_EQ(fetch(upstream, unknown).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(fetch(upstream, unknown).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(UpstreamTest, LeavesARegistryAloneThatLimitsRequests) {
  const Digest blob = registry_.add_blob("x");
  registry_.limit("/blobs/", "120");
  Upstream upstream(config_for(registry_), client_, clock_, metrics_);

  EXPECT_EQ(fetch(upstream, blob).status().code(), absl::StatusCode::kResourceExhausted);
  registry_.answer("/blobs/", 0);
  clock_.advance(seconds(100));
  const auto meanwhile = fetch(upstream, blob);
  EXPECT_EQ(meanwhile.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(meanwhile.status().message()), HasSubstr("in 20 s"));
  EXPECT_EQ(registry_.requests("GET", "/blobs/"), 1);
  clock_.advance(seconds(21));

  EXPECT_TRUE(fetch(upstream, blob).ok());
}

TEST_F(UpstreamTest, AsksTheNextEndpointWhileOneLimitsRequests) {
  FakeUpstream second;
  const Digest blob = second.add_blob("x");
  registry_.limit("/blobs/", "120");
  UpstreamConfig config = config_for(registry_);
  config.urls.push_back(second.url());
  Upstream upstream(config, client_, clock_, metrics_);

  EXPECT_TRUE(fetch(upstream, blob).ok());
  EXPECT_TRUE(fetch(upstream, blob).ok());

  EXPECT_EQ(registry_.requests("GET", "/blobs/"), 1);
}

TEST_F(UpstreamTest, BlamesNoEndpointForWhatTheCallerCantTake) {
  FakeUpstream second;
  const Digest blob = registry_.add_blob("x");
  UpstreamConfig config = config_for(registry_);
  config.urls.push_back(second.url());
  Upstream upstream(config, client_, clock_, metrics_);
  Upstream::Request request;
  request.repository = "app";
  request.reference = blob.to_string();

  const absl::Status status = upstream.fetch(
      request, [](const http::ResponseHead&) { return absl::OkStatus(); },
      [](std::span<const std::uint8_t>) { return absl::DeadlineExceededError("a slow client"); });

  EXPECT_TRUE(absl::IsDeadlineExceeded(status));
  EXPECT_TRUE(fetch(upstream, blob).ok());
  EXPECT_EQ(second.requests("GET", ""), 0);
}

TEST_F(UpstreamTest, TriesTheNextUrlWhenOneCantAnswer) {
  FakeUpstream second;
  const Digest blob = second.add_blob("from the second");
  registry_.answer("/", 500);
  UpstreamConfig config = config_for(registry_);
  config.urls.push_back(second.url());
  Upstream upstream(config, client_, clock_, metrics_);

  EXPECT_EQ(fetch(upstream, blob).value(), "from the second");
}

TEST(Upstreams, KnowsTheConfiguredOnesAndMakesOthersWhereAllowed) {
  const SystemClock clock;
  Metrics metrics;
  http::Client client;
  Upstreams::Options options;
  options.configured.resize(1);
  options.configured[0].registry = "docker.io";
  options.others.convert = ConvertPolicy::kNever;
  Upstreams open(options, client, clock, metrics);
  options.allow_others = false;
  Upstreams closed(options, client, clock, metrics);

  const auto hub = open.find("docker.io"), other = open.find("ghcr.io");

  ASSERT_TRUE(hub.ok() && other.ok());
  EXPECT_EQ((*hub)->config().urls, std::vector<std::string>{"https://registry-1.docker.io"});
  EXPECT_EQ((*other)->config().urls, std::vector<std::string>{"https://ghcr.io"});
  EXPECT_EQ((*other)->config().convert, ConvertPolicy::kNever);
  EXPECT_EQ(*open.find("ghcr.io"), *other);
  EXPECT_TRUE(closed.find("docker.io").ok());
  EXPECT_EQ(closed.find("ghcr.io").status().code(), absl::StatusCode::kNotFound);
}

TEST(Upstreams, KnowsARepositoryByEveryNameOfItsRegistry) {
  const SystemClock clock;
  Metrics metrics;
  http::Client client;
  Upstreams::Options options;
  options.configured.resize(2);
  options.configured[0].registry = "docker.io";
  options.configured[0].aliases = {"hub.mirror.test"};
  options.configured[1].registry = "registry.test:5000";
  options.configured[1].aliases = {"old-registry.test"};
  const Upstreams upstreams(options, client, clock, metrics);

  EXPECT_EQ(upstreams.repository("hub.mirror.test", "python")->to_string(), "docker.io/library/python");
  EXPECT_EQ(upstreams.repository("index.docker.io", "python")->to_string(), "docker.io/library/python");
  EXPECT_EQ(upstreams.repository("old-registry.test", "app")->to_string(), "registry.test:5000/app");
  EXPECT_EQ(upstreams.repository("ghcr.io", "a/b")->to_string(), "ghcr.io/a/b");
}

}  // namespace
}  // namespace samara::registry_proxy
