#include "seed/warming.h"

#include <gmock/gmock.h>

#include "base/file.h"
#include "base/http/client.h"
#include "cache_index/hasher.h"
#include "fake_clock.h"

namespace samara::seed {
namespace {

using std::chrono::seconds;
using ::testing::SizeIs;

/// Knows one image, "x", converted.
class OneImage final : public ImageSource {
 public:
  OneImage() {
    image_.name = "docker.io/library/x:1";
    image_.manifest = "{}";
    image_.digest = cache_index::sha256(as_bytes(image_.manifest));
    image_.layers.resize(1);
    const Digest any = cache_index::sha256(as_bytes("any"));
    image_.layers[0].record = {any, any, any, 10, 90, 100};
  }
  absl::StatusOr<peer::WarmImage> resolve(const WarmWish& wish) override {
    if (wish.image != "x") return absl::NotFoundError("no such image");
    return image_;
  }
  absl::StatusOr<Progress> convert(const WarmWish&, const peer::WarmImage& image) override { return Progress{image, 1, 1, true}; }
  std::uint64_t lacking(const peer::WarmImage&) override { return 0; }
  peer::WarmImage image_;
};

class WarmingTest : public ::testing::Test {
 protected:
  void SetUp() override { open(); }

  void open() {
    server_.reset();
    warming_.reset();
    store_.reset();
    store_ = *cache_index::Store::open(directory_.path() + "/db", Warming::tables());
    Warming::Options options;
    options.tick = std::chrono::hours(1);  // by hand
    warming_ = std::make_unique<Warming>(*store_, images_, clock_, metrics_, options);
    ASSERT_TRUE(warming_->start().ok());
    server_ = *http::Server::create({}, [this](const auto& request, auto& out) {
      if (!warming_->handle(request, out)) (void)out.respond(404);
    });
  }

  http::Response ask(const std::string& method, const std::string& path) {
    http::ClientRequest request;
    request.method = method;
    request.url = "http://127.0.0.1:" + std::to_string(server_->port()) + path;
    return client_.get(request).value_or(http::Response());
  }

  /// A node's heartbeat; with reports that all its orders have ended well.
  peer::HeartbeatAnswer beat(const std::string& node, const std::vector<peer::WarmOrder>& done = {}) {
    peer::Heartbeat beat;
    beat.name = node;
    for (const peer::WarmOrder& order : done) beat.reports.push_back({order.task, peer::WarmReport::State::kVerified, order.task.look ? 0u : 100u, 100, ""});
    const http::Response response = ask("POST", std::string(peer::kHeartbeatPath) + to_query(beat));
    EXPECT_EQ(response.head.status, 200) << response.body;
    return peer::decode_heartbeat_answer(response.body).value_or(peer::HeartbeatAnswer());
  }

  void work() {
    warming_->step();
    warming_->wait_idle();
    warming_->step();
  }

  static WarmSpec spec(const std::string& image) {
    WarmSpec spec;
    spec.images.push_back({.image = image, .platform = {}, .level = peer::WarmLevel::kFull, .nodes = {}, .sites = {}, .deadline = {}});
    return spec;
  }
  Job::State state(const std::string& id) {
    Job::State state = Job::State::kRunning;
    warming_->look([&](const Fleet&, const Jobs& jobs, Time) { state = jobs.find(id)->state; });
    return state;
  }

  TempDir directory_ = *TempDir::create("warming");
  FakeClock clock_;
  Metrics metrics_;
  OneImage images_;
  http::Client client_;
  std::unique_ptr<cache_index::Store> store_;
  std::unique_ptr<Warming> warming_;
  std::unique_ptr<http::Server> server_;
};

TEST_F(WarmingTest, OrdersByHeartbeatAndBelievesReports) {
  const peer::HeartbeatAnswer idle = beat("a");
  const auto id = warming_->warm(spec("x"));
  ASSERT_TRUE(id.ok()) << id.status();
  work();

  peer::HeartbeatAnswer answer = beat("a");
  ASSERT_THAT(answer.orders, SizeIs(1));
  EXPECT_TRUE(answer.orders[0].task.look);
  EXPECT_LT(answer.beat, idle.beat) << "a node with orders is heard more often";
  beat("a", answer.orders);
  work();
  answer = beat("a");
  ASSERT_THAT(answer.orders, SizeIs(1));
  EXPECT_EQ(answer.orders[0].task.manifest, images_.image_.digest);
  beat("a", answer.orders);
  work();

  EXPECT_EQ(state(*id), Job::State::kDone);
}

TEST_F(WarmingTest, GivesAnImageOnlyToANodeThatHasAnOrderForIt) {
  beat("a");
  const std::string path = std::string(peer::kWarmPath) + images_.image_.digest.to_string() + "?node=";
  EXPECT_EQ(ask("GET", path + "a").head.status, 404);
  ASSERT_TRUE(warming_->warm(spec("x")).ok());
  work();

  const http::Response response = ask("GET", path + "a");
  ASSERT_EQ(response.head.status, 200);
  EXPECT_EQ(peer::decode_warm_image(response.body)->name, images_.image_.name);
  EXPECT_EQ(ask("GET", path + "stranger").head.status, 404);
}

TEST_F(WarmingTest, JobsSurviveARestart) {
  beat("a");
  beat("b");
  const auto id = warming_->warm(spec("x"));
  ASSERT_TRUE(id.ok());
  work();
  beat("a", beat("a").orders);
  beat("b", beat("b").orders);
  work();
  beat("a", beat("a").orders);  // a has verified
  work();

  open();
  EXPECT_EQ(state(*id), Job::State::kRunning);
  beat("a");
  const peer::HeartbeatAnswer answer = beat("b");
  ASSERT_THAT(answer.orders, SizeIs(1)) << "b goes on";
  EXPECT_THAT(beat("a").orders, SizeIs(0)) << "a has verified already";
  beat("b", answer.orders);
  work();

  EXPECT_EQ(state(*id), Job::State::kDone);
  open();
  EXPECT_EQ(state(*id), Job::State::kDone);
}

TEST_F(WarmingTest, RefusesWhatIsNoHeartbeat) {
  EXPECT_EQ(ask("POST", std::string(peer::kHeartbeatPath) + "?name=").head.status, 400);
  EXPECT_EQ(ask("GET", std::string(peer::kHeartbeatPath) + "?name=a").head.status, 405);
  EXPECT_EQ(ask("GET", std::string(peer::kWarmPath) + "nonsense").head.status, 400);
}

}  // namespace
}  // namespace samara::seed
