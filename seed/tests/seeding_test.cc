#include "seed/seeding.h"

#include <gmock/gmock.h>

#include "peer/swarm_prefetch.h"
#include "swarm_fixture.h"

namespace samara::seed {
namespace {

using peer::FetchClass;
using peer::SwarmLayer;
using peer::SwarmMachine;
using ::testing::HasSubstr;

const SwarmLayer& layer() {
  static const SwarmLayer made = SwarmLayer::make();
  return made;
}

/// A site: cache, swarm, tracker and HTTP server.
class SiteMachine {
 public:
  SiteMachine() {
    options.may_have = [this](const http::Request&, const Digest&) { return everybody_may.load(); };
    seeding_.emplace(*machine.cache, *machine.swarm, tracker, grants, clock, options);
    seeding_->start();
    auto server = http::Server::create({.listen = "127.0.0.1:0"}, [this](const auto& request, auto& out) {
      if (!seeding_->handle(request, out)) (void)out.respond(404);
    });
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(server_->port()); }

  SwarmMachine machine;
  SystemClock clock;
  Grants grants{Grants::random_secret(), clock};
  Tracker tracker{clock, {}};
  std::atomic<bool> everybody_may{true};

 private:
  Seeding::Options options;
  std::optional<Seeding> seeding_;
  std::unique_ptr<http::Server> server_;
};

TEST(Seeding, GivesATicketOnlyToWhoMayHaveTheBlob) {
  SiteMachine site;
  site.machine.has_all_of(layer());
  http::Client client;
  http::ClientRequest request;
  request.url = site.url() + std::string(peer::kSwarmPath) + layer().blob().to_string();
  site.everybody_may = false;

  const auto refused = client.get(request);
  site.everybody_may = true;
  const auto given = client.get(request);

  ASSERT_TRUE(refused.ok() && given.ok());
  EXPECT_THAT(refused->body, HasSubstr("state none"));
  EXPECT_THAT(given->body, testing::Not(HasSubstr("state none")));
}

/// Remembers what it was asked for, and lets a test wait for that.
class AskedReader final : public peer::ChunkReader {
 public:
  void read(const peer::LayerIndex&, std::uint32_t, FetchClass, Done done) override {
    done(absl::UnavailableError("only asked"));
  }
  void prefetch(const peer::LayerIndex&, std::uint32_t first, std::uint32_t count, FetchClass urgency) override {
    const std::lock_guard lock(mutex_);
    asked_.push_back({first, count, urgency});
    changed_.notify_all();
  }
  struct Asked {
    std::uint32_t first, count;
    FetchClass urgency;
  };
  std::vector<Asked> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return asked_.size() >= count; });
    return asked_;
  }
  std::size_t count() const {
    const std::lock_guard lock(mutex_);
    return asked_.size();
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Asked> asked_;
};

/// A node whose background reads go through the swarm.
struct Node {
  explicit Node(const std::vector<std::string>& urls, peer::SwarmPrefetch::Options options = {})
      : sites(client, urls), prefetch(direct, sites, *machine.swarm, clock, options) {
    prefetch.start(*machine.cache);
  }
  ~Node() { prefetch.stop(); }
  void wants(const SwarmLayer& wanted) { prefetch.prefetch(wanted.index, 0, 4, FetchClass::kBackground); }

  SwarmMachine machine;
  SystemClock clock;
  http::Client client;
  AskedReader direct;
  peer::SwarmSites sites;
  peer::SwarmPrefetch prefetch;
};

/// Asks until the site has hashed the blob: its answer is what tells.
peer::Swarm::Blob find_when_ready(peer::SwarmSites& sites, const Digest& blob) {
  absl::StatusOr<peer::Swarm::Blob> found = sites.find(blob);
  while (absl::IsFailedPrecondition(found.status())) found = sites.find(blob);
  EXPECT_TRUE(found.ok()) << found.status();
  return found.ok() ? *std::move(found) : peer::Swarm::Blob{};
}

TEST(Seeding, LetsNodesIntoTheSwarmOfWhatTheSiteHas) {
  SiteMachine site;
  site.machine.has_all_of(layer());
  http::Client client;
  peer::SwarmSites sites(client, {site.url()});

  const peer::Swarm::Blob blob = find_when_ready(sites, layer().blob());

  EXPECT_EQ(blob.pieces, layer().pieces);
  ASSERT_EQ(blob.trackers.size(), 1u);
  EXPECT_THAT(blob.trackers[0], HasSubstr(site.url() + "/samara/v1/announce?token="));
  EXPECT_EQ(blob.peers, std::vector<std::string>{site.machine.address()});
}

TEST(Seeding, SharesNothingThatTheSiteHasntGotWhole) {
  SiteMachine site;
  site.machine.has_chunk_of(layer(), 0, layer().blob());
  http::Client client;
  peer::SwarmSites sites(client, {site.url()});

  EXPECT_TRUE(absl::IsNotFound(sites.find(layer().blob()).status()));
}

TEST(Seeding, BringsALayerToNodesThatKnowOnlyTheSite) {
  SiteMachine site;
  site.machine.has_all_of(layer());
  http::Client client;
  peer::SwarmSites sites(client, {site.url()});
  find_when_ready(sites, layer().blob());
  Node first({site.url()}), second({site.url()});

  first.wants(layer());
  second.wants(layer());

  for (Node* node : {&first, &second}) {
    ASSERT_TRUE(node->machine.wait_for(layer().blob()).ok());
    EXPECT_EQ(read_file(node->machine.cache->object_path(layer().blob())).value(), layer().bytes);
    EXPECT_EQ(node->direct.count(), 0u);
  }
}

TEST(Seeding, NodesFindEachOtherThroughTheTracker) {
  SiteMachine site;
  site.machine.has_all_of(layer());
  http::Client client;
  peer::SwarmSites sites(client, {site.url()});
  peer::Swarm::Blob blob = find_when_ready(sites, layer().blob());
  blob.index = layer().index;
  SwarmMachine first, second;
  ASSERT_TRUE(first.swarm->join(blob).ok());
  ASSERT_TRUE(first.wait_for(layer().blob()).ok());
  site.machine.swarm->leave(layer().blob());

  blob.peers.clear();  // only the tracker is left to tell
  ASSERT_TRUE(second.swarm->join(blob).ok());

  EXPECT_TRUE(second.wait_for(layer().blob()).ok());
}

TEST(Seeding, RefusesAnnouncesOfStrangers) {
  SiteMachine site;
  site.machine.has_all_of(layer());
  http::Client client;
  peer::SwarmSites sites(client, {site.url()});
  const peer::Swarm::Blob blob = find_when_ready(sites, layer().blob());
  const std::string swarm = peer::tracker_key(peer::infohash(layer().blob(), layer().pieces));
  const std::string query = "&port=9&left=1&info_hash=";
  const auto ask = [&](const std::string& url) {
    http::ClientRequest request;
    request.url = url;
    return client.get(request)->body;
  };

  const std::string good = ask(blob.trackers[0] + query + http::percent_encode(swarm));

  EXPECT_THAT(good, HasSubstr("8:interval"));
  EXPECT_THAT(ask(site.url() + "/samara/v1/announce?x=1" + query + http::percent_encode(swarm)), HasSubstr("failure reason"));
  EXPECT_THAT(ask(blob.trackers[0] + query + std::string(20, 'x')), HasSubstr("failure reason"));
  EXPECT_THAT(ask(site.url() + "/samara/v1/scrape?info_hash=" + http::percent_encode(swarm)), HasSubstr("failure reason"));
}

TEST(SwarmPrefetch, GoesTheOtherWayWhenNoSiteSharesTheBlob) {
  SiteMachine site;
  Node node({site.url()});

  node.wants(layer());

  const auto asked = node.direct.wait_for(1);
  EXPECT_EQ(asked[0].count, 4u);
  EXPECT_EQ(asked[0].urgency, FetchClass::kBackground);
  EXPECT_FALSE(node.machine.swarm->has_joined(layer().blob()));
}

TEST(SwarmPrefetch, GoesTheOtherWayWhenNothingComes) {
  SiteMachine site;
  site.machine.has_all_of(layer());
  http::Client client;
  peer::SwarmSites sites(client, {site.url()});
  peer::Swarm::Blob blob = find_when_ready(sites, layer().blob());
  Node node({site.url()}, {.stall = std::chrono::milliseconds(0)});  // a swarm that is given no time

  while (node.direct.count() == 0) node.wants(layer());

  EXPECT_TRUE(node.machine.swarm->has_joined(layer().blob()));
}

TEST(SwarmPrefetch, WaitsForASiteThatIsHashingTheBlob) {
  SiteMachine site;
  site.machine.has_all_of(layer());
  Node node({site.url()});

  node.wants(layer());  // the first that anybody hears of it

  EXPECT_TRUE(node.machine.wait_for(layer().blob()).ok());
  EXPECT_EQ(node.direct.count(), 0u);
}

TEST(SwarmPrefetch, LeavesUrgentClassesAlone) {
  SiteMachine site;
  Node node({site.url()});

  node.prefetch.prefetch(layer().index, 1, 2, FetchClass::kReadahead);

  EXPECT_EQ(node.direct.wait_for(1)[0].urgency, FetchClass::kReadahead);
}

}  // namespace
}  // namespace samara::seed
