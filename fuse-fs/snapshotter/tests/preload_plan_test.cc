#include "snapshotter/preload_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "sample_layer.h"
#include "test_layer.h"

namespace samara::snapshotter {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using Chunk = PreloadPlan::Chunk;
using Load = PreloadPlan::Load;

constexpr std::uint32_t kChunkBytes = 10'000;  // so that chunks begin in the middle of pages

class PreloadPlanTest : public ::testing::Test {
 protected:
  PreloadPlanTest() {
    layer_.directory("usr");
    layer_.directory("usr/lib");
    layer_.file("usr/lib/large", fuse_fs::pattern(31'000));  // eight pages: chunks 0 to 3
    layer_.file("usr/lib/small", fuse_fs::pattern(100));     // the ninth page: chunk 3
    layer_.symlink("usr/lib/link", "large");
    layer_.file("empty", "");
    index_ = layer_.build(kChunkBytes);
  }
  std::uint32_t inode(std::string_view path) const { return *cache_index::find_path(*index_, path); }
  PreloadPlan plan(const std::vector<std::uint32_t>& chunks, const std::vector<std::string_view>& files) const {
    const Digest& diff_id = index_->info().diff_id;
    peer::StartTrace trace;
    trace.layers = {diff_id};
    for (const std::uint32_t chunk : chunks) trace.chunks.emplace_back(diff_id, chunk);
    for (const std::string_view file : files) trace.files.emplace_back(diff_id, inode(file));
    return PreloadPlan({{index_, "/l/7"}}, trace);
  }
  std::vector<Load> arrive(PreloadPlan& plan, std::uint32_t chunk) const {
    return plan.arrived({index_->info().diff_id, chunk});
  }

  fuse_fs::TestLayer layer_;
  peer::LayerIndex index_;
};

TEST_F(PreloadPlanTest, GivesWholePagesOfAChunk) {
  PreloadPlan all = plan({0, 1, 2}, {"usr/lib/large"});

  EXPECT_THAT(arrive(all, 1), ElementsAre(Load{"/l/7", "usr/lib/large", 12'288, 4'096}));
}

TEST_F(PreloadPlanTest, GivesAPageOfTwoChunksWhenBothAreHere) {
  PreloadPlan all = plan({0, 1, 2}, {"usr/lib/large"});

  EXPECT_THAT(arrive(all, 0), ElementsAre(Load{"/l/7", "usr/lib/large", 0, 8'192}));
  EXPECT_THAT(arrive(all, 1), ElementsAre(Load{"/l/7", "usr/lib/large", 8'192, 8'192}));
}

TEST_F(PreloadPlanTest, GivesEveryFileOfAChunkThatIsTouched) {
  PreloadPlan all = plan({3}, {"usr/lib/large", "usr/lib/small"});

  EXPECT_THAT(all.names(), IsEmpty());
  EXPECT_THAT(arrive(all, 3), ElementsAre(Load{"/l/7", "usr/lib/small", 0, 4'096}));
}

TEST_F(PreloadPlanTest, LeavesFilesAloneThatNobodyTouches) {
  PreloadPlan none = plan({0, 1, 2, 3}, {});

  EXPECT_THAT(arrive(none, 0), IsEmpty());
  EXPECT_THAT(none.names(), IsEmpty());
}

TEST_F(PreloadPlanTest, GivesNamesOfWhatIsOnlyLookedUp) {
  const PreloadPlan names = plan({3}, {"usr/lib/link", "usr", "empty", "usr/lib/large"});

  EXPECT_THAT(names.names(), UnorderedElementsAre(Load{"/l/7", "usr/lib/link", 0, 0}, Load{"/l/7", "usr", 0, 0},
                                                  Load{"/l/7", "empty", 0, 0}));
}

TEST_F(PreloadPlanTest, IgnoresWhatTheLayersDoNotHave) {
  const Digest& diff_id = index_->info().diff_id;
  const Digest other = Digest::sha256({5});
  peer::StartTrace trace;
  trace.chunks = {{diff_id, 4'000'000'000}, {other, 0}};
  trace.files = {{diff_id, 4'000'000'000}, {other, 2}, {diff_id, 0}};

  PreloadPlan none({{index_, "/l/7"}}, trace);

  EXPECT_THAT(none.names(), IsEmpty());
  EXPECT_THAT(none.arrived({diff_id, 4'000'000'000}), IsEmpty());
  EXPECT_THAT(none.arrived({other, 0}), IsEmpty());
}

}  // namespace
}  // namespace samara::snapshotter
