#include "seed/console.h"

#include <gmock/gmock.h>

#include "base/file.h"
#include "base/http/client.h"
#include "fake_clock.h"

namespace samara::seed {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class NoImages final : public ImageSource {
  absl::StatusOr<peer::WarmImage> resolve(const WarmWish&) override { return absl::NotFoundError("none"); }
  absl::StatusOr<Progress> convert(const WarmWish&, const peer::WarmImage&) override { return absl::NotFoundError("none"); }
  std::uint64_t lacking(const peer::WarmImage&) override { return 0; }
};

class ConsoleTest : public ::testing::Test {
 protected:
  void SetUp() override {
    server_ = *http::Server::create({}, [this](http::Request request, http::ResponseWriter& out) {
      request.client = request.headers.get("Test-Client");
      if (!warming_.handle(request, out) && !console_.handle(request, out)) (void)out.respond(404);
    });
  }
  http::Response ask(const std::string& method, const std::string& path, const std::vector<std::pair<std::string, std::string>>& fields = {}) {
    http::ClientRequest request;
    request.method = method;
    request.url = "http://127.0.0.1:" + std::to_string(server_->port()) + path;
    for (const auto& [name, value] : fields) request.headers.add(name, value);
    return client_.get(request).value_or(http::Response());
  }
  void beat(const std::string& name) {
    peer::Heartbeat beat;
    beat.name = name;
    ASSERT_EQ(ask("POST", std::string(peer::kHeartbeatPath) + to_query(beat)).head.status, 200);
  }

  TempDir directory_ = *TempDir::create("console");
  FakeClock clock_;
  Metrics metrics_;
  NoImages images_;
  std::unique_ptr<cache_index::Store> store_ = *cache_index::Store::open(directory_.path() + "/db", Warming::tables());
  static Warming::Options options() {
    Warming::Options options;
    options.fleet.site = "edge";
    return options;
  }
  Warming warming_{*store_, images_, clock_, metrics_, options()};
  Console console_{warming_, [] { return SiteFacts{.disk_used = 5, .disk_limit = 10, .layers = 2, .swarms = {}}; }, "1.2"};
  http::Client client_;
  std::unique_ptr<http::Server> server_;
};

TEST_F(ConsoleTest, ServesThePageAndNothingFromElsewhere) {
  const http::Response page = ask("GET", "/console/");

  ASSERT_EQ(page.head.status, 200);
  EXPECT_THAT(page.body, HasSubstr("<title>Samara</title>"));
  EXPECT_THAT(page.body, Not(HasSubstr("://")));
  EXPECT_THAT(std::string(page.head.headers.get("Content-Security-Policy")), HasSubstr("default-src 'none'"));
  EXPECT_EQ(ask("GET", "/console").head.status, 301);
  EXPECT_EQ(ask("GET", "/console/app.js").head.status, 200);
  EXPECT_EQ(ask("GET", "/console/../etc").head.status, 404);
  EXPECT_EQ(ask("POST", "/console/").head.status, 405);
}

TEST_F(ConsoleTest, SumsUpTheFleet) {
  beat("a");
  beat("b");

  const http::Response all = ask("GET", "/samara/v1/fleet");
  EXPECT_THAT(all.body, HasSubstr("\"site\":\"edge\""));
  EXPECT_THAT(all.body, HasSubstr("\"nodes\":2"));
  EXPECT_THAT(all.body, HasSubstr("\"disk_limit\":\"10\""));
  EXPECT_THAT(all.body, HasSubstr("\"may_change\":false"));
  const http::Response one = ask("GET", "/samara/v1/fleet/nodes?limit=1&selector=name%3Da%7Cb");
  EXPECT_THAT(one.body, HasSubstr("\"total\":2"));
  EXPECT_THAT(one.body, Not(HasSubstr("\"name\":\"b\"")));
  EXPECT_EQ(ask("GET", "/samara/v1/fleet/nodes?selector=%3D").head.status, 400);
}

TEST_F(ConsoleTest, ChangesJobsOnlyForThoseWhomTheSiteKnows) {
  beat("a");
  WarmSpec spec;
  spec.images.push_back({.image = "x", .platform = {}, .level = peer::WarmLevel::kFull, .nodes = {}, .sites = {}, .deadline = {}});
  const auto id = warming_.warm(spec);
  ASSERT_TRUE(id.ok()) << id.status();
  const std::string cancel = "/samara/v1/fleet/jobs/" + *id + "/cancel";

  EXPECT_EQ(ask("POST", cancel, {{"Samara-Console", "1"}}).head.status, 403) << "nobody is known here";
  EXPECT_EQ(ask("POST", cancel, {{"Test-Client", "ci"}}).head.status, 403) << "another site's page could send this";
  EXPECT_EQ(ask("GET", cancel, {{"Test-Client", "ci"}, {"Samara-Console", "1"}}).head.status, 405);
  EXPECT_EQ(ask("POST", cancel, {{"Test-Client", "ci"}, {"Samara-Console", "1"}}).head.status, 200);
  EXPECT_EQ(ask("POST", cancel, {{"Test-Client", "ci"}, {"Samara-Console", "1"}}).head.status, 409) << "it is cancelled already";
}

}  // namespace
}  // namespace samara::seed
