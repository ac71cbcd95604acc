#include "peer/neighbours.h"

#include <gmock/gmock.h>

#include <future>
#include <semaphore>
#include <thread>

#include "base/text.h"
#include "peer/neighbour_ranking.h"
#include "peer/neighbour_service.h"
#include "peer/neighbour_source.h"
#include "peer/site_client.h"
#include "seed/neighbour_lists.h"
#include "swarm_fixture.h"

/// Nodes of a site that read from each other, over HTTP on loopback.
namespace samara::seed {
namespace {

using peer::ChunkBytes;
using peer::FetchClass;
using peer::Neighbours;
using peer::SwarmLayer;

const SwarmLayer& layer() {
  static const SwarmLayer made = SwarmLayer::make();
  return made;
}

std::unique_ptr<http::Server> serve(http::Handler handler) {
  auto server = http::Server::create({.listen = "127.0.0.1:0"}, std::move(handler));
  EXPECT_TRUE(server.ok()) << server.status();
  return *std::move(server);
}

std::string url_of(const http::Server& server) { return "http://127.0.0.1:" + std::to_string(server.port()); }

std::unique_ptr<cache_index::Cache> open_cache(const TempDir& dir) {
  auto opened = cache_index::Cache::open({.root = dir.path() + "/cache"});
  EXPECT_TRUE(opened.ok()) << opened.status();
  return *std::move(opened);
}

/// Has the whole layer, tells nodes of each other, and counts what it gives.
class SiteMachine {
 public:
  SiteMachine() {
    EXPECT_TRUE(cache_->put_object(layer().blob(), as_bytes(layer().bytes)).ok());
    server_ = serve([this](const auto& request, auto& out) { answer(request, out); });
  }
  std::string url() const { return url_of(*server_); }
  std::uint64_t sent() const { return sent_; }
  void goes_away() { server_.reset(); }

 private:
  void answer(const http::Request& request, http::ResponseWriter& out) {
    if (lists_.handle(request, out)) return;
    const auto range = parse_range(request.headers.get("Range"), layer().bytes.size());
    if (!range.ok()) return (void)out.respond(416);
    sent_ += range->size();
    out.header("Content-Range", str_cat("bytes ", range->begin, "-", range->end - 1, "/", layer().bytes.size()));
    (void)out.respond(206, std::string_view(layer().bytes).substr(range->begin, range->size()));
  }

  TempDir dir_ = *TempDir::create("site");
  SystemClock clock_;
  std::unique_ptr<cache_index::Cache> cache_ = open_cache(dir_);
  NeighbourLists lists_{*cache_, clock_, *cache_index::SigningKey::load_or_create(dir_.path() + "/key"),
                        {.readers = {.soon = std::chrono::seconds(1)}}};
  std::atomic<std::uint64_t> sent_{0};
  std::unique_ptr<http::Server> server_;
};

/// A node that reads the layer, and gives it to others.
class NodeMachine {
 public:
  explicit NodeMachine(const std::string& site) : site_(client_, {site}) {
    server_ = serve([this](const auto& request, auto& out) {
      if (lies_) {
        std::string wrong(parse_range(request.headers.get("Range"), layer().bytes.size())->size(), '!');
        const auto range = *parse_range(request.headers.get("Range"), layer().bytes.size());
        out.header("Content-Range", str_cat("bytes ", range.begin, "-", range.end - 1, "/", layer().bytes.size()));
        return (void)out.respond(206, wrong);
      }
      if (trickles_) return trickle(request, out);
      service_->handle(request, out);
    });
    Neighbours::Options options;
    options.url = url();
    neighbours_.emplace(client_, std::vector<std::string>{site}, peer::SiteAccess(), clock_, options);
    using Who = peer::NeighbourSource::Who;
    owners_.emplace(client_, *neighbours_, Who::kOwners);
    anybody_.emplace(client_, *neighbours_, Who::kAnybody);
    fetcher_ = peer::ChunkFetcher::create(*cache_, {&*owners_, &site_, &*anybody_}, metrics_, clock_, {});
    service_.emplace(*cache_, *fetcher_, *neighbours_,
                     [this](const Digest& blob) { return blob == layer().blob() ? layer().index : nullptr; },
                     metrics_, peer::NeighbourService::Options());
    neighbours_->start();
  }
  ~NodeMachine() {
    server_.reset();
    neighbours_->stop();
  }

  std::string url() const { return url_of(*server_); }
  void goes_away() { server_.reset(); }
  void lies() { lies_ = true; }
  /// Gives a byte now and then from here on: never silent, never done.
  void trickles() { trickles_ = true; }
  Neighbours& neighbours() { return *neighbours_; }
  const cache_index::Cache& cache() const { return *cache_; }

  /// Whether it knows of exactly these nodes, itself among them.
  bool knows(std::vector<std::string> nodes) {
    std::erase(nodes, url());
    return neighbours_->anybody(layer().blob(), 0).urls == peer::ranked(nodes, layer().blob(), 0);
  }

  std::string read(std::uint32_t chunk) {
    std::promise<absl::StatusOr<ChunkBytes>> promise;
    fetcher_->read(layer().index, chunk, FetchClass::kBlocking, [&](auto bytes) { promise.set_value(std::move(bytes)); });
    const absl::StatusOr<ChunkBytes> bytes = promise.get_future().get();
    return bytes.ok() ? **bytes : bytes.status().ToString();
  }
  std::string read_all() {
    std::string all;
    for (std::uint32_t i = 0; i < layer().index->info().chunk_count; ++i) all += read(i);
    return all;
  }
  double fetched_from(const std::string& source) {
    return metrics_.counter("samara_fetched_bytes_total", "", {{"source", source}}).value();
  }
  int status_of(const std::string& url, const std::string& ticket, const std::string& range = "bytes=0-9") {
    http::ClientRequest request;
    request.url = url;
    request.headers.set(peer::kTicketHeader, ticket);
    request.headers.set("Range", range);
    const auto response = client_.get(request);
    return response.ok() ? response->head.status : 0;
  }

 private:
  void trickle(const http::Request& request, http::ResponseWriter& out) {
    const auto range = *parse_range(request.headers.get("Range"), layer().bytes.size());
    out.header("Content-Range", str_cat("bytes ", range.begin, "-", range.end - 1, "/", layer().bytes.size()));
    absl::Status sent = out.begin(206, range.size());
    for (std::uint64_t at = range.begin; sent.ok() && at < range.end; ++at) {
      sent = out.write(as_bytes(std::string_view(layer().bytes).substr(at, 1)));
      (void)never_.try_acquire_for(std::chrono::milliseconds(100));
    }
  }

  TempDir dir_ = *TempDir::create("node");
  SystemClock clock_;
  Metrics metrics_;
  http::Client client_;
  std::unique_ptr<cache_index::Cache> cache_ = open_cache(dir_);
  peer::SiteClient site_;
  std::optional<Neighbours> neighbours_;
  std::optional<peer::NeighbourSource> owners_, anybody_;
  std::unique_ptr<peer::ChunkFetcher> fetcher_;
  std::optional<peer::NeighbourService> service_;
  std::atomic<bool> lies_{false}, trickles_{false};
  std::binary_semaphore never_{0};
  std::unique_ptr<http::Server> server_;
};

std::string content() {
  static const std::string all = [] {
    std::string bytes;
    for (std::uint32_t i = 0; i < layer().index->info().chunk_count; ++i) {
      const cache_index::Chunk chunk = layer().index->chunk(i).value();
      bytes += cache_index::open_frame(chunk, as_bytes(layer().frame(chunk))).value();
    }
    return bytes;
  }();
  return all;
}

std::string object_url(const NodeMachine& node) { return str_cat(node.url(), "/samara/v1/objects/", layer().blob().to_string()); }

/// All know of all.
std::vector<std::string> meet(const std::vector<NodeMachine*>& nodes) {
  std::vector<std::string> urls;
  for (NodeMachine* node : nodes) urls.push_back(node->url());
  const auto knows = [&](NodeMachine* node) { return node->knows(urls); };  // asking makes them known
  while (static_cast<std::size_t>(std::count_if(nodes.begin(), nodes.end(), knows)) < nodes.size()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return urls;
}

/// A second node whose port decides that it is to bring the blob's first region, and not `first`.
std::unique_ptr<NodeMachine> who_brings_the_first_region(const SiteMachine& site, const NodeMachine& first) {
  std::unique_ptr<NodeMachine> second;
  do {
    second = std::make_unique<NodeMachine>(site.url());
  } while (peer::owners({first.url(), second->url()}, layer().blob(), 0).at(0) != second->url());
  return second;
}

TEST(NeighboursTest, BringEachRegionIntoTheSiteOnce) {
  SiteMachine site;
  NodeMachine a(site.url()), b(site.url()), c(site.url());
  meet({&a, &b, &c});

  for (NodeMachine* node : {&a, &b, &c}) EXPECT_EQ(node->read_all(), content());

  EXPECT_EQ(site.sent(), layer().bytes.size());
  const double of_others = a.fetched_from("neighbours") + b.fetched_from("neighbours") + c.fetched_from("neighbours");
  EXPECT_EQ(of_others, 2.0 * static_cast<double>(layer().bytes.size()));
}

TEST(NeighboursTest, GiveTheSameBytesToManyAtOnce) {
  SiteMachine site;
  NodeMachine a(site.url()), b(site.url()), c(site.url());
  meet({&a, &b, &c});

  std::vector<std::future<std::string>> reads;
  for (NodeMachine* node : {&a, &b, &c}) reads.push_back(std::async(std::launch::async, [node] { return node->read_all(); }));

  for (auto& read : reads) EXPECT_EQ(read.get(), content());
}

TEST(NeighboursTest, AreAskedFromTheFirstReadOn) {
  SiteMachine site;
  NodeMachine a(site.url());
  EXPECT_EQ(a.read_all(), content());
  const std::uint64_t sent = site.sent();
  std::optional<NodeMachine> b;
  do {  // its port decides what it is to bring
    b.emplace(site.url());
  } while (peer::owners({a.url(), b->url()}, layer().blob(), 0).at(0) != a.url());

  b->read(0);

  EXPECT_EQ(site.sent(), sent);
  EXPECT_GT(b->fetched_from("neighbours"), 0);
}

TEST(NeighboursTest, AreDoneWithoutWhenTheyAreAway) {
  SiteMachine site;
  NodeMachine a(site.url()), b(site.url());
  meet({&a, &b});
  b.goes_away();

  EXPECT_EQ(a.read_all(), content());
  EXPECT_EQ(a.fetched_from("neighbours"), 0);
}

TEST(NeighboursTest, AreLeftAloneOnceTheyLied) {
  SiteMachine site;
  NodeMachine a(site.url());
  const std::unique_ptr<NodeMachine> b = who_brings_the_first_region(site, a);
  meet({&a, &*b});
  b->lies();

  EXPECT_EQ(a.read_all(), content());
  for (std::uint64_t offset = 0; offset < 100 * peer::kRegionBytes; offset += peer::kRegionBytes) {
    EXPECT_TRUE(a.neighbours().whom_to_ask(layer().blob(), offset).urls.empty());
  }
}

TEST(NeighboursTest, AreDoneWithoutWhenTheyTrickle) {
  SiteMachine site;
  NodeMachine a(site.url());
  const std::unique_ptr<NodeMachine> b = who_brings_the_first_region(site, a);
  meet({&a, &*b});
  b->trickles();

  EXPECT_EQ(a.read_all(), content());
  EXPECT_LT(a.fetched_from("neighbours"), static_cast<double>(layer().bytes.size()) / 10);
}

TEST(NeighboursTest, StillGiveToEachOtherWhileTheSiteIsAway) {
  SiteMachine site;
  NodeMachine a(site.url()), b(site.url());
  meet({&a, &b});
  EXPECT_EQ(a.read_all(), content());  // what a brings, and through b what b brings
  site.goes_away();

  EXPECT_EQ(b.read_all(), content());
}

TEST(NeighboursTest, GiveStrangersNothing) {
  SiteMachine site, other_site;
  NodeMachine a(site.url()), b(site.url()), stranger(other_site.url());
  meet({&a, &b});
  EXPECT_EQ(b.read_all(), content());
  std::string good;
  for (std::uint64_t offset = 0; good.empty(); offset += peer::kRegionBytes) good = a.neighbours().whom_to_ask(layer().blob(), offset).ticket;
  EXPECT_TRUE(stranger.read_all() == content());  // by its own site, which has signed it another ticket

  EXPECT_EQ(a.status_of(object_url(b), good, "bytes=0-9"), 416);  // let in, but frames aren't cut
  EXPECT_EQ(a.status_of(object_url(b), "", "bytes=0-9"), 403);
  EXPECT_EQ(a.status_of(object_url(b), "1." + good.substr(good.find('.') + 1)), 403);
  EXPECT_EQ(a.status_of(object_url(stranger), good), 403);
  EXPECT_EQ(a.status_of(b.url() + "/metrics", good), 404);
  EXPECT_EQ(a.status_of(object_url(b), good, "bytes=99999999999-"), 416);
  EXPECT_EQ(a.status_of(object_url(b), good, "bytes=what"), 400);
}

}  // namespace
}  // namespace samara::seed
