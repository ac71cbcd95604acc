#include "seed/relay.h"

#include <gmock/gmock.h>

#include <set>

#include "base/file.h"
#include "base/http/client.h"
#include "base/text.h"
#include "cache_index/hasher.h"
#include "fake_clock.h"

namespace samara::seed {
namespace {

using peer::WarmReport;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Digest digest(std::string_view text) { return cache_index::sha256(as_bytes(text)); }

/// One image; whether it is converted here, and how much of it is missing, is the test's to say.
class EdgeImages final : public ImageSource {
 public:
  absl::StatusOr<peer::WarmImage> resolve(const WarmWish& wish) override {
    resolved = wish.image;
    if (!reachable) return absl::UnavailableError("the link is cut");
    return image();
  }
  absl::StatusOr<Progress> convert(const WarmWish&, const peer::WarmImage& image) override {
    if (broken) return absl::FailedPreconditionError("a layer that isn't one");
    return Progress{image, 1, 1, converts};
  }
  std::uint64_t lacking(const peer::WarmImage&) override { return lacks; }
  static peer::WarmImage image() {
    peer::WarmImage image;
    image.name = "r.example/x:1";
    image.registry = "r.example";
    image.repository = "x";
    image.digest = digest("x");
    image.layers.resize(1);
    image.layers[0].record = {digest("layer"), digest("i"), digest("b"), 10, 990, 1000};
    return image;
  }

  std::string resolved;
  bool reachable = true, converts = true, broken = false;
  std::uint64_t lacks = 1000;
};

class RelayTest : public ::testing::Test {
 protected:
  void SetUp() override {
    store_ = *cache_index::Store::open(directory_.path() + "/db", Warming::tables());
    Warming::Options options;
    options.tick = std::chrono::hours(1);  // by hand
    options.fleet.site = "edge";
    warming_ = std::make_unique<Warming>(*store_, images_, clock_, metrics_, options);
    ASSERT_TRUE(warming_->start().ok());
    server_ = *http::Server::create({}, [this](const auto& request, auto& out) {
      if (!warming_->handle(request, out)) (void)out.respond(404);
    });
    Relay::Options relay;
    relay.tries = 2;
    relay.page_bytes = 1'500;
    relay_ = std::make_unique<Relay>(
        Relay::Parts{.warming = *warming_,
                     .images = images_,
                     .clock = clock_,
                     .from = "parent",
                     .tell = [this](const peer::SiteBeat& beat) { return tell(beat); },
                     .fetch = [](const std::string&, const Digest&) { return EdgeImages::image(); },
                     .describe = [](peer::SiteBeat& beat) { beat.self.name = "edge"; }},
        relay);
  }

  absl::StatusOr<peer::SiteBeatAnswer> tell(const peer::SiteBeat& beat) {
    if (cut_) return absl::UnavailableError("the link is cut");
    told_.push_back(beat);
    return answer_;
  }

  /// A node's heartbeat; with these reports.
  peer::HeartbeatAnswer beat(const std::string& node, const std::vector<WarmReport>& reports = {}) {
    peer::Heartbeat beat;
    beat.name = node;
    beat.reports = reports;
    http::ClientRequest request;
    request.method = "POST";
    request.url = "http://127.0.0.1:" + std::to_string(server_->port()) + std::string(peer::kHeartbeatPath) + to_query(beat);
    const http::Response response = client_.get(request).value_or(http::Response());
    EXPECT_EQ(response.head.status, 200) << response.body;
    return peer::decode_heartbeat_answer(response.body).value_or(peer::HeartbeatAnswer());
  }

  void order(const std::string& node, bool look) {
    answer_.orders[node] = {{{EdgeImages::image().digest, peer::WarmLevel::kFull, look}, 0}};
  }
  /// Told, prepared, passed on.
  void round() {
    clock_.advance(seconds(3));
    relay_->step();
    relay_->wait_idle();
    relay_->step();
  }
  WarmReport report(WarmReport::State state) const {
    return {{EdgeImages::image().digest, peer::WarmLevel::kFull}, state, 500, 1000, state == WarmReport::State::kFailed ? "nothing came" : ""};
  }

  TempDir directory_ = *TempDir::create("relay");
  FakeClock clock_;
  Metrics metrics_;
  EdgeImages images_;
  http::Client client_;
  std::unique_ptr<cache_index::Store> store_;
  std::unique_ptr<Warming> warming_;
  std::unique_ptr<http::Server> server_;
  std::vector<peer::SiteBeat> told_;
  peer::SiteBeatAnswer answer_{.epoch = 1, .orders = {}};
  bool cut_ = false;
  std::unique_ptr<Relay> relay_;  // first to go
};

TEST_F(RelayTest, TellsOfTheNodesOnceAndThenThatTheyAreTheSame) {
  beat("a");
  beat("b");
  relay_->step();  // learns the parent's epoch, and tells all of it again
  relay_->step();
  relay_->step();

  ASSERT_THAT(told_, SizeIs(3));
  EXPECT_THAT(told_[1].nodes, SizeIs(2));
  EXPECT_EQ(told_[1].nodes[0].address, "127.0.0.1");
  EXPECT_THAT(told_[2].nodes, IsEmpty());
  EXPECT_THAT(told_[2].same, ElementsAre("a", "b"));

  answer_.epoch = 2;  // the parent's seed is another
  relay_->step();
  relay_->step();
  EXPECT_THAT(told_.back().nodes, SizeIs(2));
}

TEST_F(RelayTest, TellsOfManyNodesInSeveralRequests) {
  std::set<std::string> nodes;
  for (int i = 0; i < 20; ++i) beat(*nodes.insert(str_cat("node-", i)).first);

  relay_->step();
  told_.clear();
  relay_->step();  // all of it, as the parent's epoch is known now

  std::set<std::string> told;
  for (const peer::SiteBeat& page : told_) {
    EXPECT_LE(to_query(page).size(), 1'500u);
    for (const peer::SiteBeat::Node& node : page.nodes) told.insert(node.name);
    told.insert(page.same.begin(), page.same.end());
  }
  EXPECT_GT(told_.size(), 2u);
  EXPECT_EQ(told, nodes);
}

TEST_F(RelayTest, PassesAnOrderOnOnceTheImageCanBeHadHere) {
  beat("a");
  order("a", false);
  images_.converts = false;
  round();
  EXPECT_THAT(beat("a").orders, IsEmpty());
  EXPECT_EQ(images_.resolved, "r.example/x@" + EdgeImages::image().digest.to_string());

  images_.converts = true;
  round();

  const peer::HeartbeatAnswer answer = beat("a");
  ASSERT_THAT(answer.orders, SizeIs(1));
  beat("a", {report(WarmReport::State::kVerified)});
  round();
  ASSERT_THAT(told_.back().nodes.size() + told_.back().same.size(), 1u);
  const auto said = std::find_if(told_.rbegin(), told_.rend(), [](const auto& beat) { return !beat.nodes.empty(); });
  ASSERT_NE(said, told_.rend());
  EXPECT_THAT(said->nodes[0].beat.reports, ElementsAre(report(WarmReport::State::kVerified)));
}

TEST_F(RelayTest, ALookMovesNothing) {
  beat("a");
  order("a", true);
  round();

  EXPECT_THAT(beat("a").orders, SizeIs(1));
  EXPECT_EQ(images_.resolved, "");
  ASSERT_THAT(told_.back().self.reports, SizeIs(1));
  EXPECT_EQ(told_.back().self.reports[0].total - told_.back().self.reports[0].done, 1000u) << "what would cross the link";
}

TEST_F(RelayTest, OrdersStayWhileTheLinkIsCut) {
  beat("a");
  order("a", false);
  round();
  cut_ = true;
  round();

  EXPECT_THAT(beat("a").orders, SizeIs(1));
  relay_->stop();
  EXPECT_THAT(beat("a").orders, IsEmpty()) << "of a relay that has ended";
}

TEST_F(RelayTest, ANodesFailureIsNoEndWhileTheImageIsntAllHere) {
  beat("a");
  order("a", false);
  round();
  beat("a");
  beat("a", {report(WarmReport::State::kFailed)});

  relay_->step();
  EXPECT_EQ(told_.back().nodes.at(0).beat.reports.at(0).state, WarmReport::State::kWaiting);
  relay_->step();
  EXPECT_THAT(beat("a").orders, IsEmpty()) << "it pauses";
  clock_.advance(seconds(11));
  relay_->step();
  relay_->wait_idle();  // it has looked at the image before that changes
  EXPECT_THAT(beat("a").orders, SizeIs(1)) << "ordered again";

  images_.lacks = 0;
  round();
  beat("a", {report(WarmReport::State::kFailed)});
  relay_->step();
  EXPECT_EQ(told_.back().nodes.at(0).beat.reports.at(0).state, WarmReport::State::kFailed) << "its own";
}

TEST_F(RelayTest, WaitsForALinkAndGivesUpOnALayerThatIsnt) {
  beat("a");
  order("a", false);
  images_.reachable = false;
  for (int i = 0; i < 5; ++i, beat("a")) round();
  for (const peer::SiteBeat& beat : told_)
    for (const peer::SiteBeat::Node& node : beat.nodes) EXPECT_THAT(node.beat.reports, IsEmpty());

  images_.reachable = true;
  images_.broken = true;
  for (int i = 0; i < 3; ++i, beat("a")) round();

  ASSERT_THAT(told_.back().nodes.size() + told_.back().same.size(), 1u);
  const auto said = std::find_if(told_.rbegin(), told_.rend(), [](const auto& beat) { return !beat.nodes.empty(); });
  ASSERT_THAT(said->nodes[0].beat.reports, SizeIs(1));
  EXPECT_EQ(said->nodes[0].beat.reports[0].error, "at its site: a layer that isn't one");
}

TEST_F(RelayTest, ASiteBelowThisOneIsToldOfAndOrderedToo) {
  peer::SiteBeat below;
  below.self.name = "sub";
  peer::SiteBeat::Node node{"n", "10.9.0.1", {}};
  node.beat.name = "n";
  below.nodes.push_back(node);
  http::ClientRequest request;
  request.method = "POST";
  request.url = "http://127.0.0.1:" + std::to_string(server_->port()) + std::string(peer::kSiteBeatPath) + to_query(below);
  ASSERT_EQ(client_.get(request).value_or(http::Response()).head.status, 200);
  order("sub/n", false);
  round();

  EXPECT_EQ(told_.at(1).nodes.at(0).name, "sub/n");
  EXPECT_EQ(told_.at(1).nodes.at(0).beat.site, "sub");
  const auto answer = peer::decode_site_beat_answer(client_.get(request).value_or(http::Response()).body);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(answer->orders.at("n"), SizeIs(1));
}

}  // namespace
}  // namespace samara::seed
