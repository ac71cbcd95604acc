#include "snapshotter/background_fetch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "fake_clock.h"
#include "test_layers.h"

namespace samara::snapshotter {
namespace {

using State = BackgroundFetch::State;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// A reader that only prefetches, and whose chunks arrive when the test says so.
class RecordingReader final : public peer::ChunkReader {
 public:
  struct Asked {
    peer::LayerIndex layer;
    std::uint32_t first = 0, count = 0;
  };
  void read(const peer::LayerIndex&, std::uint32_t, peer::FetchClass, Done done) override {
    done(absl::UnimplementedError("nobody reads here"));
  }
  void prefetch(const peer::LayerIndex& layer, std::uint32_t first, std::uint32_t count,
                peer::FetchClass urgency) override {
    EXPECT_EQ(urgency, peer::FetchClass::kBackground);
    asked.push_back({layer, first, count});
  }
  std::vector<Asked> asked;
};

class BackgroundFetchTest : public ::testing::Test {
 protected:
  static peer::LayerIndex layer(std::uint64_t seed) {
    const TestLayer made = make_file_layer("big", cache_index::sample_bytes(seed, 4 << 20));
    static std::vector<std::unique_ptr<std::string>> bytes;  // views need them
    bytes.push_back(std::make_unique<std::string>(made.index));
    return *cache_index::IndexReader::view(as_bytes(*bytes.back()));
  }
  void arrive(const RecordingReader::Asked& asked) {
    for (std::uint32_t chunk = asked.first; chunk < asked.first + asked.count; ++chunk) {
      present_.insert(asked.layer->chunk(chunk)->digest);
    }
  }
  // A layer that came long enough ago.
  void add(std::uint32_t slot, peer::LayerIndex layer) {
    fetch_.add(slot, std::move(layer));
    clock_.advance(seconds(2));
  }
  // Steps until it stops asking by itself, with everything arriving at once.
  void run_to_the_end() {
    while (const auto wait = fetch_.step()) {
      ASSERT_LT(*wait, seconds(1));
      if (!reader_.asked.empty()) arrive(reader_.asked.back());
    }
  }

  FakeClock clock_;
  RecordingReader reader_;
  milliseconds since_blocking_{3'600'000};
  std::set<Digest> present_;
  bool pressure_is_high_ = false;
  BackgroundFetch fetch_{reader_, [this] { return since_blocking_; },
                         [this](const Digest& chunk) { return present_.contains(chunk); }, clock_, small_windows(),
                         [this] { return pressure_is_high_; }};

 private:
  static BackgroundFetch::Options small_windows() {
    BackgroundFetch::Options options;
    options.window_bytes = 600'000;
    return options;
  }
};

TEST_F(BackgroundFetchTest, HasNothingToDoWithoutLayers) {
  EXPECT_EQ(fetch_.step(), std::nullopt);
  EXPECT_EQ(fetch_.progress().state, State::kDone);
}

TEST_F(BackgroundFetchTest, FetchesEveryChunkWindowByWindow) {
  const peer::LayerIndex one = layer(1);
  add(1, one);

  run_to_the_end();

  EXPECT_GT(reader_.asked.size(), 3u);
  std::uint32_t next = 0;
  for (const auto& asked : reader_.asked) {
    EXPECT_EQ(asked.first, next);
    next = asked.first + asked.count;
  }
  EXPECT_EQ(next, one->info().chunk_count);
  EXPECT_EQ(fetch_.progress().layers_left, 0u);
}

TEST_F(BackgroundFetchTest, TakesLayersInTheOrderTheyCame) {
  const peer::LayerIndex second = layer(2), first = layer(1);
  add(7, second);
  add(3, first);

  run_to_the_end();

  EXPECT_EQ(reader_.asked.front().layer, second);
  EXPECT_EQ(reader_.asked.back().layer, first);
}

TEST_F(BackgroundFetchTest, WaitsForAQuietTime) {
  add(1, layer(1));
  since_blocking_ = milliseconds(500);

  EXPECT_EQ(fetch_.step(), milliseconds(1500));

  EXPECT_TRUE(reader_.asked.empty());
  EXPECT_EQ(fetch_.progress().state, State::kWaiting);
}

TEST_F(BackgroundFetchTest, LeavesTheContainerOfANewLayerTimeToStart) {
  add(1, layer(1));
  fetch_.add(2, layer(2));

  EXPECT_EQ(fetch_.step(), milliseconds(2000));

  EXPECT_TRUE(reader_.asked.empty());
  EXPECT_EQ(fetch_.progress().state, State::kWaiting);
}

TEST_F(BackgroundFetchTest, PausesBetweenWindowsWhenSomebodyReads) {
  add(1, layer(1));
  ASSERT_TRUE(fetch_.step());
  arrive(reader_.asked.back());
  since_blocking_ = milliseconds(0);

  ASSERT_TRUE(fetch_.step());

  EXPECT_EQ(reader_.asked.size(), 1u);
}

TEST_F(BackgroundFetchTest, SkipsWhatIsPresentAlready) {
  const peer::LayerIndex one = layer(1);
  const std::uint32_t half = one->info().chunk_count / 2;
  arrive({one, 0, half});
  add(1, one);

  ASSERT_TRUE(fetch_.step());

  ASSERT_EQ(reader_.asked.size(), 1u);
  EXPECT_EQ(reader_.asked[0].first, half);
}

TEST_F(BackgroundFetchTest, ACompleteLayerNeedsNoFetch) {
  const peer::LayerIndex one = layer(1);
  arrive({one, 0, one->info().chunk_count});
  add(1, one);

  while (fetch_.step()) {
  }

  EXPECT_TRUE(reader_.asked.empty());
  EXPECT_EQ(fetch_.progress().state, State::kDone);
}

TEST_F(BackgroundFetchTest, AsksForNothingMoreOfARemovedLayer) {
  add(1, layer(1));
  ASSERT_TRUE(fetch_.step());
  arrive(reader_.asked.back());

  fetch_.remove(1);

  EXPECT_EQ(fetch_.step(), std::nullopt);
  EXPECT_EQ(reader_.asked.size(), 1u);
}

TEST_F(BackgroundFetchTest, AsksAgainForAWindowOfWhichNothingArrives) {
  add(1, layer(1));
  ASSERT_TRUE(fetch_.step());
  clock_.advance(seconds(29));
  ASSERT_TRUE(fetch_.step());
  ASSERT_EQ(reader_.asked.size(), 1u);

  clock_.advance(seconds(1));
  ASSERT_TRUE(fetch_.step());

  ASSERT_EQ(reader_.asked.size(), 2u);
  EXPECT_EQ(reader_.asked[1].first, reader_.asked[0].first);
  EXPECT_EQ(fetch_.progress().state, State::kStalled);
}

TEST_F(BackgroundFetchTest, PausesWhileTheMachineIsUnderPressure) {
  add(1, layer(1));
  fetch_.step();
  ASSERT_EQ(reader_.asked.size(), 1u);
  arrive(reader_.asked[0]);

  pressure_is_high_ = true;
  EXPECT_EQ(fetch_.step(), milliseconds(2'000));
  EXPECT_EQ(fetch_.progress().state, BackgroundFetch::State::kPaused);
  EXPECT_EQ(reader_.asked.size(), 1u);
  pressure_is_high_ = false;
  fetch_.step();

  EXPECT_EQ(reader_.asked.size(), 2u);
}

TEST_F(BackgroundFetchTest, KeepsToItsRate) {
  BackgroundFetch slow(reader_, [] { return milliseconds(3'600'000); }, [this](const Digest& chunk) { return present_.contains(chunk); },
                       clock_, {.window_bytes = 600'000, .rate = 100'000});
  slow.add(1, layer(1));
  clock_.advance(seconds(2));
  slow.step();
  ASSERT_EQ(reader_.asked.size(), 1u);
  arrive(reader_.asked[0]);

  const auto wait = slow.step();
  ASSERT_TRUE(wait);
  EXPECT_GE(*wait, seconds(6));
  EXPECT_EQ(reader_.asked.size(), 1u);
  clock_.advance(*wait);
  slow.step();

  EXPECT_EQ(reader_.asked.size(), 2u);
}

TEST_F(BackgroundFetchTest, ItsThreadStartsWithTheFirstLayerAndStops) {
  since_blocking_ = milliseconds(0);  // it never asks, so the reader needs no lock
  fetch_.start();

  add(1, layer(1));
  fetch_.stop();

  EXPECT_EQ(fetch_.progress().layers_left, 1u);
}

}  // namespace
}  // namespace samara::snapshotter
