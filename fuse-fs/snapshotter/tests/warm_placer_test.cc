#include "snapshotter/warm_placer.h"

#include <gmock/gmock.h>

#include <mutex>

#include "base/file.h"
#include "base/http/client.h"
#include "cache_index/hasher.h"
#include "fake_clock.h"
#include "snapshotter/heartbeats.h"
#include "snapshotter/local_mirror.h"
#include "test_layers.h"

namespace samara::snapshotter {
namespace {

using peer::WarmLevel;
using peer::WarmOrder;
using peer::WarmReport;
using State = WarmReport::State;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

/// A site with one image of one layer, and a reader that brings its chunks into the cache at once.
class OneImageSite final : public WarmSite, public peer::ChunkReader {
 public:
  explicit OneImageSite(cache_index::Cache& cache) : cache_(cache), layer_(make_file_layer("big", cache_index::sample_bytes(1, 2 << 20))) {
    image_.name = "docker.io/library/x:1";
    image_.registry = "docker.io";
    image_.repository = "library/x";
    image_.media_type = "application/vnd.oci.image.manifest.v1+json";
    image_.manifest = "{\"the\": \"manifest\"}";
    image_.config = "{\"the\": \"config\"}";
    image_.digest = cache_index::sha256(as_bytes(image_.manifest));
    image_.layers.push_back({layer_.record, layer_.diff_id});
  }

  absl::StatusOr<peer::WarmImage> image(const Digest& manifest, std::stop_token) override {
    if (manifest == image_.digest) return image_;
    return absl::NotFoundError("no order for that");
  }
  absl::Status fetch_object(const Digest& object, std::uint64_t, std::stop_token) override {
    return cache_.has_object(object) ? absl::OkStatus() : cache_.put_object(object, as_bytes(layer_.index));
  }
  absl::StatusOr<peer::StartTrace> start_trace(const Digest&, std::stop_token) override {
    if (trace_.chunks.empty()) return absl::NotFoundError("nothing is known");
    return trace_;
  }

  void read(const peer::LayerIndex&, std::uint32_t, peer::FetchClass, Done done) override { done(absl::UnimplementedError("nobody reads here")); }
  void prefetch(const peer::LayerIndex& layer, std::uint32_t first, std::uint32_t count, peer::FetchClass urgency) override {
    urgencies_.insert(urgency);
    for (std::uint32_t i = first; i < first + count && !silent_; ++i) {
      const cache_index::Chunk chunk = *layer->chunk(i);
      const std::string_view frame = std::string_view(layer_.blob).substr(chunk.blob_offset, chunk.blob_size);
      EXPECT_TRUE(cache_.put_frame(layer->info().blob, chunk, as_bytes(frame)).ok());
    }
  }

  cache_index::Cache& cache_;
  const TestLayer layer_;
  peer::WarmImage image_;
  peer::StartTrace trace_;
  std::set<peer::FetchClass> urgencies_;
  bool silent_ = false;
};

class WarmPlacerTest : public ::testing::Test {
 protected:
  WarmPlacerTest() : cache_(*cache_index::Cache::open({.root = directory_.path()}, WarmPlacer::tables())), site_(*cache_) {
    make_placer(WarmPlacer::Options().give_up);
  }
  void make_placer(std::chrono::milliseconds give_up) {
    WarmPlacer::Options options;
    options.fetch.quiet = std::chrono::milliseconds(0);
    options.fetch.poll = options.poll = std::chrono::milliseconds(1);
    options.give_up = give_up;
    placer_ = std::make_unique<WarmPlacer>(*cache_, site_, site_, clock_, options);
    placer_->start();
  }

  WarmOrder order(WarmLevel level, bool look = false, std::uint64_t until = 0) const { return {{site_.image_.digest, level, look}, until}; }
  /// Orders it, and waits until the node has come to an end with it.
  WarmReport run(const WarmOrder& order) {
    placer_->set_orders({order});
    for (;;) {
      const std::vector<WarmReport> reports = placer_->reports();
      if (reports.at(0).is_final()) return reports[0];
      std::this_thread::yield();
    }
  }

  TempDir directory_ = *TempDir::create("placer");
  SystemClock clock_;
  std::unique_ptr<cache_index::Cache> cache_;
  OneImageSite site_;
  std::unique_ptr<WarmPlacer> placer_;
};

TEST_F(WarmPlacerTest, PlacesAndVerifiesEverything) {
  const WarmReport before = run(order(WarmLevel::kFull, true));
  EXPECT_EQ(before.state, State::kVerified);
  EXPECT_EQ(before.done, 0u);
  EXPECT_GT(before.total, 1u << 20);

  const WarmReport placed = run(order(WarmLevel::kFull, false, 4'000'000'000));

  EXPECT_EQ(placed.state, State::kVerified) << placed.error;
  EXPECT_TRUE(cache_->layer(site_.layer_.record.layer).ok());
  const auto index = cache_index::IndexReader::open(cache_->object_path(site_.layer_.record.index));
  ASSERT_TRUE(index.ok());
  EXPECT_EQ(cache_->presence(**index)->chunks, (*index)->info().chunk_count);
  EXPECT_THAT(site_.urgencies_, ElementsAre(peer::FetchClass::kBackground));
  const auto pins = cache_->pins();
  ASSERT_THAT(*pins, SizeIs(1));
  EXPECT_EQ((*pins)[0].name, WarmPlacer::pin_name(site_.image_));
  EXPECT_EQ((*pins)[0].expires, 4'000'000'000u);
  const WarmReport after = run(order(WarmLevel::kFull, true));
  EXPECT_EQ(after.done, after.total);
}

TEST_F(WarmPlacerTest, AnIndexIsAllThatItTakesToMount) {
  EXPECT_EQ(run(order(WarmLevel::kIndex)).state, State::kVerified);

  EXPECT_TRUE(cache_->has_object(site_.layer_.record.index));
  EXPECT_THAT(site_.urgencies_, IsEmpty());
  EXPECT_THAT(*cache_->pins(), IsEmpty()) << "nobody asked to keep it";
}

TEST_F(WarmPlacerTest, AnOrderTakesNothingFromAnothersPin) {
  run(order(WarmLevel::kIndex, false, 4'000'000'000));
  run(order(WarmLevel::kFull));
  run(order(WarmLevel::kTrace, false, 3'000'000'000));

  const auto pins = cache_->pins();

  ASSERT_THAT(*pins, SizeIs(1));
  EXPECT_EQ((*pins)[0].expires, 4'000'000'000u);
}

TEST_F(WarmPlacerTest, ATraceBringsWhatStartsRead) {
  site_.trace_.layers = {site_.layer_.diff_id};
  site_.trace_.chunks = {{site_.layer_.diff_id, 2}, {site_.layer_.diff_id, 0}, {site_.layer_.diff_id, 4'000'000}};

  EXPECT_EQ(run(order(WarmLevel::kTrace)).state, State::kVerified);

  const auto index = cache_index::IndexReader::open(cache_->object_path(site_.layer_.record.index));
  EXPECT_EQ(cache_->presence(**index)->chunks, 2u);
  EXPECT_THAT(site_.urgencies_, ElementsAre(peer::FetchClass::kTrace));
}

TEST_F(WarmPlacerTest, SaysWhyItCant) {
  EXPECT_THAT(run(order(WarmLevel::kTrace)).error, HasSubstr("nothing is known"));
  site_.image_.layers[0].diff_id = cache_index::sha256(as_bytes("another"));
  EXPECT_THAT(run(order(WarmLevel::kIndex)).error, HasSubstr("is another layer's"));
  EXPECT_THAT(*cache_->pins(), IsEmpty());
}

TEST_F(WarmPlacerTest, GivesUpWhenNothingComes) {
  site_.silent_ = true;
  make_placer(std::chrono::milliseconds(50));

  const WarmReport report = run(order(WarmLevel::kFull));

  EXPECT_EQ(report.state, State::kFailed);
  EXPECT_THAT(report.error, HasSubstr("bytes are missing"));
}

TEST_F(WarmPlacerTest, ForgetsWhatIsntOrderedAnyMore) {
  ASSERT_EQ(run(order(WarmLevel::kIndex)).state, State::kVerified);

  placer_->set_orders({});

  EXPECT_THAT(placer_->reports(), IsEmpty());
}

class LocalMirrorTest : public WarmPlacerTest {
 protected:
  void SetUp() override {
    ASSERT_EQ(run(order(WarmLevel::kIndex)).state, State::kVerified);
    server_ = *http::Server::create({}, [this](const auto& request, auto& out) {
      if (!mirror_.handle(request, out)) (void)out.respond(500);
    });
  }
  http::Response get(const std::string& path) {
    http::ClientRequest request;
    request.url = "http://127.0.0.1:" + std::to_string(server_->port()) + path + "?ns=docker.io";
    return client_.get(request).value_or(http::Response());
  }

  void site_says(absl::StatusOr<Digest> answer) {
    const std::lock_guard lock(mutex_);
    answer_ = std::move(answer);
    asked_.clear();
  }
  std::vector<std::string> asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

  std::mutex mutex_;
  std::vector<std::string> asked_;  // of the site since it says what it says
  absl::StatusOr<Digest> answer_ = absl::UnavailableError("away");
  LocalMirror mirror_{*cache_, [this](const auto&, const auto&, const auto& route) {
                        const std::lock_guard lock(mutex_);
                        asked_.push_back(route);
                        return answer_;
                      }};
  http::Client client_;
  std::unique_ptr<http::Server> server_;
};

TEST_F(LocalMirrorTest, NamesAWarmedImageWhileTheSiteIsAway) {
  const http::Response manifest = get("/v2/library/x/manifests/1");

  EXPECT_EQ(manifest.head.status, 200);
  EXPECT_EQ(manifest.body, site_.image_.manifest);
  EXPECT_EQ(manifest.head.headers.get("Content-Type"), site_.image_.media_type);
  EXPECT_EQ(manifest.head.headers.get("Docker-Content-Digest"), site_.image_.digest.to_string());
  EXPECT_EQ(get("/v2/library/x/manifests/" + site_.image_.digest.to_string()).body, site_.image_.manifest);
  EXPECT_EQ(get("/v2/library/x/blobs/" + cache_index::sha256(as_bytes(site_.image_.config)).to_string()).body, site_.image_.config);
}

TEST_F(LocalMirrorTest, LeavesToTheSiteWhatTheSiteAnswers) {
  site_says(site_.image_.digest);
  EXPECT_EQ(get("/v2/library/x/manifests/1").head.status, 200) << "the same";
  site_says(cache_index::sha256(as_bytes("newer")));
  EXPECT_EQ(get("/v2/library/x/manifests/1").head.status, 404) << "it is another one now";
}

TEST_F(LocalMirrorTest, GivesNothingThatTheSiteRefusesOrDoesntHave) {
  const std::string manifest = "manifests/" + site_.image_.digest.to_string();
  const std::string config = "blobs/" + cache_index::sha256(as_bytes(site_.image_.config)).to_string();
  for (const absl::Status& refusal : {absl::PermissionDeniedError("HTTP 401"), absl::NotFoundError("not in this repository")}) {
    site_says(refusal);
    for (const std::string& route : {std::string("manifests/1"), manifest, config})
      EXPECT_EQ(get("/v2/library/x/" + route).head.status, 404) << route << ": " << refusal;
    EXPECT_THAT(asked(), ElementsAre("manifests/1", manifest, config));
  }
}

TEST_F(LocalMirrorTest, GivesNothingElseOfTheCache) {
  EXPECT_EQ(get("/v2/library/x/manifests/2").head.status, 404);
  EXPECT_EQ(get("/v2/library/y/manifests/1").head.status, 404);
  EXPECT_EQ(get("/v2/library/x/blobs/" + site_.layer_.record.index.to_string()).head.status, 404);
  EXPECT_EQ(get("/v2/library/x/blobs/" + site_.image_.digest.to_string()).head.status, 404) << "a manifest is no blob";
  EXPECT_EQ(get("/v2/manifests/1").head.status, 404);
  EXPECT_EQ(get("/v2/").head.status, 200);
}

TEST(Heartbeats, TellsAgainWhenTheSiteSaysAndLessOftenWhileItIsAway) {
  FakeClock clock;
  int told = 0;
  bool away = false;
  std::vector<WarmOrder> obeyed;
  const WarmOrder order{{cache_index::sha256(as_bytes("x")), WarmLevel::kFull, false}, 0};
  Heartbeats heartbeats(
      1, [] { return peer::Heartbeat(); },
      [&](std::size_t, const peer::Heartbeat&) -> absl::StatusOr<peer::HeartbeatAnswer> {
        ++told;
        if (away) return absl::UnavailableError("away");
        return peer::HeartbeatAnswer{.beat = std::chrono::seconds(10), .orders = {order}};
      },
      [&](const std::vector<WarmOrder>& orders) { obeyed = orders; }, clock, {.seed = 1});

  const auto wait = heartbeats.step();
  EXPECT_EQ(told, 1);
  EXPECT_GE(wait, std::chrono::seconds(8));
  EXPECT_LE(wait, std::chrono::seconds(12));
  EXPECT_THAT(obeyed, ElementsAre(order));
  EXPECT_EQ(heartbeats.site_of(order.task.manifest), 0u);
  heartbeats.step();
  EXPECT_EQ(told, 1) << "it isn't time yet";

  away = true;
  for (int i = 0; i < 12; ++i) {
    clock.advance(std::chrono::seconds(150));
    heartbeats.step();
  }
  const auto pause = heartbeats.step();
  EXPECT_GE(pause, std::chrono::seconds(96)) << "a fifth less than the longest";
  EXPECT_THAT(obeyed, ElementsAre(order)) << "what was ordered stays";
}

}  // namespace
}  // namespace samara::snapshotter
