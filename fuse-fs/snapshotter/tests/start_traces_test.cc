#include "snapshotter/start_traces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "fake_clock.h"
#include "fake_layer_site.h"
#include "memory_store.h"
#include "snapshotter_stack.h"

namespace samara::snapshotter {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Chunk = peer::StartTrace::Chunk;

/// Answers every read, and remembers what it was asked for ahead; that may be answered later.
class FakeReader final : public peer::ChunkReader {
 public:
  void read(const peer::LayerIndex& layer, std::uint32_t chunk, peer::FetchClass urgency, Done done) override {
    if (urgency == peer::FetchClass::kTrace) {
      asked.emplace_back(layer->info().diff_id, chunk);
      if (holds_back) return held.push_back(std::move(done));
    }
    done(std::make_shared<const std::string>("bytes"));
  }
  void prefetch(const peer::LayerIndex&, std::uint32_t, std::uint32_t, peer::FetchClass) override {}

  std::vector<Chunk> asked;
  bool holds_back = false;
  std::vector<Done> held;
};

class StartTracesTest : public ::testing::Test {
 protected:
  peer::LayerIndex layer(std::uint64_t seed) {
    bytes_.push_back(std::make_unique<std::string>(make_file_layer("big", cache_index::sample_bytes(seed, 8 << 20)).index));
    return *cache_index::IndexReader::view(as_bytes(*bytes_.back()));
  }
  void read(const peer::LayerIndex& layer, std::uint32_t chunk,
            peer::FetchClass urgency = peer::FetchClass::kBlocking) {
    bool done = false;
    traces_.read(layer, chunk, urgency, [&](const auto&) { done = true; });
    EXPECT_TRUE(done);
  }
  void start() {
    traces_.container_starts(image_);
    traces_.step();
  }
  void settle() {
    clock_.advance(seconds(5));
    EXPECT_EQ(traces_.step(), std::nullopt);
  }
  peer::StartTrace known(std::vector<Chunk> chunks, std::vector<Chunk> files) const {
    return {.starts = 1, .layers = {low_, up_}, .chunks = std::move(chunks), .unused = {}, .files = std::move(files), .image = ""};
  }
  std::vector<Chunk> learned() const {
    const auto traces = traces_.find("");
    return traces->empty() ? std::vector<Chunk>() : traces->front().trace.chunks;
  }
  StartTraces::Parts parts() {
    return {.store = store_,
            .site = &site_,
            .reader = reader_,
            .has_chunk = [this](const Digest&) { return all_here_; },
            .load = [this](const PreloadPlan::Load& load) { loaded_.push_back(load); },
            .clock = clock_};
  }
  StartTraces traces(const StartTraces::Options& options) {
    return StartTraces(parts(), options);
  }

  std::vector<std::unique_ptr<std::string>> bytes_;  // that the indexes are views of
  const peer::LayerIndex lower_ = layer(1), upper_ = layer(2);
  const Digest low_ = lower_->info().diff_id, up_ = upper_->info().diff_id;
  const StartTraces::Image image_{peer::chain_id({low_, up_}), "registry/image:1", {{lower_, "/l/1"}, {upper_, "/l/2"}}};
  TempDir directory_ = *TempDir::create("traces");
  std::unique_ptr<cache_index::Cache> cache_ = *cache_index::Cache::open({.root = directory_.path()}, {});
  FakeClock clock_;
  FakeLayerSite site_{clock_, *cache_};
  MemoryStore store_;
  FakeReader reader_;
  bool all_here_ = false;
  std::vector<PreloadPlan::Load> loaded_;
  StartTraces traces_{parts(), {}};
};

TEST_F(StartTracesTest, FetchesForTheNextStartWhatTheFirstOneRead) {
  start();
  for (const std::uint32_t chunk : {9, 4, 5, 4}) read(upper_, chunk);
  read(lower_, 1);
  EXPECT_THAT(reader_.asked, IsEmpty());
  settle();
  ASSERT_THAT(learned(), ElementsAre(Chunk{up_, 9}, Chunk{up_, 4}, Chunk{up_, 5}, Chunk{low_, 1}));

  start();

  EXPECT_THAT(reader_.asked, ElementsAre(Chunk{up_, 9}, Chunk{up_, 4}, Chunk{up_, 5}, Chunk{low_, 1}));
}

TEST_F(StartTracesTest, FetchesWhatTheSiteHasHeardFromOtherNodes) {
  site_.knows_start(image_.chain, {.starts = 4, .layers = {low_, up_}, .chunks = {{up_, 3}}, .unused = {}, .image = ""});

  start();

  EXPECT_THAT(reader_.asked, ElementsAre(Chunk{up_, 3}));
  EXPECT_EQ(traces_.find("image:1")->front().trace.starts, 4u);
}

TEST_F(StartTracesTest, FetchesAsSoonAsTheImageComes) {
  site_.knows_start(image_.chain, {.starts = 1, .layers = {low_, up_}, .chunks = {{up_, 3}}, .unused = {}, .image = ""});

  traces_.image_comes(image_);
  traces_.step();
  EXPECT_THAT(reader_.asked, SizeIs(1));
  start();
  settle();

  EXPECT_THAT(reader_.asked, SizeIs(1));
  ASSERT_THAT(site_.reports(), SizeIs(1));
  EXPECT_THAT(site_.reports()[0].unused, ElementsAre(Chunk{up_, 3}));
}

TEST_F(StartTracesTest, TimesStartsUntilTheirLastNewRead) {
  EXPECT_EQ(traces_.times().count, 0u);
  for (const int took : {3, 1, 2}) {
    start();
    clock_.advance(seconds(took));
    read(upper_, static_cast<std::uint32_t>(10 + took));
    settle();
  }

  EXPECT_EQ(traces_.times().count, 3u);
  EXPECT_EQ(traces_.times().median, seconds(2));
  EXPECT_EQ(traces_.times().longest, seconds(3));
}

TEST_F(StartTracesTest, LearnsNothingFromAnImageThatIsOnlyPulled) {
  traces_.image_comes(image_);
  traces_.step();
  read(upper_, 1);
  clock_.advance(seconds(60));
  EXPECT_EQ(traces_.step(), std::nullopt);

  EXPECT_THAT(learned(), IsEmpty());
  EXPECT_THAT(site_.reports(), IsEmpty());
}

TEST_F(StartTracesTest, TellsTheSiteWhatAStartReadAndWhatItDidNot) {
  start();
  read(upper_, 7);
  read(upper_, 8);
  settle();
  start();
  read(upper_, 8);
  read(lower_, 2);
  settle();

  ASSERT_THAT(site_.reports(), SizeIs(2));
  EXPECT_THAT(site_.reports()[1].chunks, ElementsAre(Chunk{up_, 8}, Chunk{low_, 2}));
  EXPECT_THAT(site_.reports()[1].unused, ElementsAre(Chunk{up_, 7}));
  EXPECT_EQ(peer::chain_id(site_.reports()[1].layers), image_.chain);
}

TEST_F(StartTracesTest, TellsTheSiteNothingOfAnImageThatIsNotAllLazy) {
  StartTraces::Image partly = image_;
  partly.layers = {{upper_, "/l/2"}};

  traces_.container_starts(partly);
  read(upper_, 7);
  settle();

  EXPECT_THAT(learned(), ElementsAre(Chunk{up_, 7}));
  EXPECT_THAT(site_.reports(), IsEmpty());
}

TEST_F(StartTracesTest, KeepsToItselfWhatIsNotToBeShared) {
  StartTraces secretive = traces({.share = false});
  secretive.container_starts(image_);
  secretive.read(upper_, 7, peer::FetchClass::kBlocking, [](const auto&) {});
  clock_.advance(seconds(5));
  secretive.step();

  EXPECT_THAT(learned(), ElementsAre(Chunk{up_, 7}));
  EXPECT_EQ(site_.traces_asked(), 0u);
  EXPECT_THAT(site_.reports(), IsEmpty());
}

TEST_F(StartTracesTest, WorksWhileTheSiteIsAway) {
  site_.goes_away();

  start();
  read(upper_, 7);
  settle();

  EXPECT_THAT(learned(), ElementsAre(Chunk{up_, 7}));
}

TEST_F(StartTracesTest, IgnoresChunksThatTheLayersDoNotHave) {
  const Digest other = Digest::sha256({9});
  site_.knows_start(image_.chain, {.starts = 1, .layers = {low_, up_, other}, .chunks = {{up_, 4'000'000'000}, {other, 1}, {low_, 0}}, .unused = {}, .image = ""});

  start();

  EXPECT_THAT(reader_.asked, ElementsAre(Chunk{low_, 0}));
}

TEST_F(StartTracesTest, FetchesNothingThatIsHere) {
  start();
  read(upper_, 3);
  settle();
  all_here_ = true;

  start();

  EXPECT_THAT(reader_.asked, IsEmpty());
}

TEST_F(StartTracesTest, LearnsWhichFilesAreTouched) {
  start();
  traces_.touched(upper_, 2);
  traces_.touched(lower_, cache_index::kRootInode);
  traces_.touched(upper_, 2);
  settle();
  traces_.touched(lower_, 2);

  EXPECT_THAT(traces_.find("")->front().trace.files, ElementsAre(Chunk{up_, 2}, Chunk{low_, cache_index::kRootInode}));
  ASSERT_THAT(site_.reports(), SizeIs(1));
  EXPECT_THAT(site_.reports()[0].files, SizeIs(2));
}

TEST_F(StartTracesTest, GivesTheKernelWhatHasCome) {
  site_.knows_start(image_.chain, known({{up_, 3}, {up_, 4}}, {{up_, 2}, {low_, 2}}));
  reader_.holds_back = true;

  start();
  EXPECT_THAT(loaded_, ElementsAre(PreloadPlan::Load{"/l/1", "big", 0, 0}));  // its name
  reader_.held.at(1)(absl::UnavailableError("away"));
  EXPECT_THAT(loaded_, SizeIs(1));
  reader_.held.at(0)(std::make_shared<const std::string>("bytes"));

  ASSERT_THAT(loaded_, SizeIs(2));
  EXPECT_EQ(loaded_[1].root, "/l/2");
}

TEST_F(StartTracesTest, GivesTheKernelWhatWasHereBefore) {
  site_.knows_start(image_.chain, known({{up_, 3}}, {{up_, 2}}));
  all_here_ = true;

  start();

  EXPECT_THAT(reader_.asked, IsEmpty());
  EXPECT_THAT(loaded_, SizeIs(1));
}

TEST_F(StartTracesTest, DoesNotTakeWhatTheKernelHadForUnused) {
  site_.knows_start(image_.chain, known({{up_, 3}, {low_, 4}}, {{up_, 2}}));

  start();
  read(upper_, 7);
  settle();

  ASSERT_THAT(site_.reports(), SizeIs(1));
  EXPECT_THAT(site_.reports()[0].unused, ElementsAre(Chunk{low_, 4}));  // no file in it is known
  EXPECT_THAT(learned(), ElementsAre(Chunk{up_, 3}, Chunk{low_, 4}, Chunk{up_, 7}));
}

TEST_F(StartTracesTest, LooksOnAtOneStartInEight) {
  peer::StartTrace trace = known({{up_, 3}}, {{up_, 2}});
  trace.starts = 7;
  site_.knows_start(image_.chain, trace);

  start();
  settle();

  EXPECT_THAT(loaded_, IsEmpty());
  ASSERT_THAT(site_.reports(), SizeIs(1));
  EXPECT_THAT(site_.reports()[0].unused, ElementsAre(Chunk{up_, 3}));
}

TEST_F(StartTracesTest, TakesChunksThatComeWhenItIsGone) {
  site_.knows_start(image_.chain, known({{up_, 3}}, {{up_, 2}}));
  reader_.holds_back = true;
  {
    StartTraces passing = traces({});
    passing.container_starts(image_);
    passing.step();
  }

  reader_.held.at(0)(std::make_shared<const std::string>("bytes"));

  EXPECT_THAT(loaded_, SizeIs(1));
}

TEST_F(StartTracesTest, RecordsUntilReadsSettle) {
  start();
  read(upper_, 1);
  clock_.advance(milliseconds(4'999));
  EXPECT_EQ(traces_.step(), milliseconds(2));
  read(upper_, 2);
  settle();
  read(upper_, 3);

  EXPECT_THAT(learned(), ElementsAre(Chunk{up_, 1}, Chunk{up_, 2}));
}

TEST_F(StartTracesTest, EndsARecordingThatNeverSettles) {
  start();
  for (std::uint32_t chunk = 0; chunk < 20; ++chunk) {
    read(upper_, chunk);
    clock_.advance(seconds(4));
    traces_.step();
  }

  EXPECT_THAT(learned(), SizeIs(15));
}

TEST_F(StartTracesTest, RecordsOnlyWhatAContainerOfThatImageWaitsFor) {
  start();
  read(layer(3), 0);
  read(upper_, 1, peer::FetchClass::kReadahead);
  read(upper_, 2);
  settle();

  EXPECT_THAT(learned(), ElementsAre(Chunk{up_, 2}));
}

TEST_F(StartTracesTest, FetchesABoundedNumberOfBytes) {
  start();
  read(upper_, 7);
  settle();

  StartTraces frugal = traces({.most_bytes = 1});
  frugal.container_starts(image_);
  frugal.step();

  EXPECT_THAT(reader_.asked, IsEmpty());
}

TEST_F(StartTracesTest, KeepsWhatItHasWhenItStops) {
  start();
  read(upper_, 7);

  traces_.stop();

  EXPECT_THAT(learned(), ElementsAre(Chunk{up_, 7}));
}

TEST_F(StartTracesTest, FindsTracesByNameAndChain) {
  start();
  read(upper_, 7);
  settle();

  EXPECT_THAT(*traces_.find("image:1"), SizeIs(1));
  EXPECT_THAT(*traces_.find(image_.chain.to_string()), SizeIs(1));
  EXPECT_THAT(*traces_.find("other"), IsEmpty());
}

TEST_F(StartTracesTest, LearnsAnewWhatADamagedRowHeld) {
  ASSERT_TRUE(store_.write({{"start_traces", image_.chain.key(), "damaged"}}, cache_index::Store::Sync::kNo).ok());

  start();
  read(upper_, 7);
  settle();

  EXPECT_THAT(learned(), ElementsAre(Chunk{up_, 7}));
}

}  // namespace
}  // namespace samara::snapshotter
