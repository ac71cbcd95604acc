#include "snapshotter/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "snapshotter_stack.h"

namespace samara::snapshotter {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class ExplainTest : public ::testing::Test {
 protected:
  ExplainTest() {
    stack_.prepare_lazily({layer_}, "docker.io/library/python:3");
    index_ = stack_.mount().attached().at(1);
    inode_ = *index_->lookup(*index_->lookup(cache_index::kRootInode, "usr"), "big");
  }
  /// A read of the file's first three chunks in the container "3f2a".
  void was_slow(std::int32_t pid = 7) {
    stack_.mount().was_slow({.slot = 1, .inode = inode_, .offset = 0, .size = 1 << 20, .first_chunk = 0, .last_chunk = 2,
                             .took = milliseconds(30), .pid = pid, .cgroup = "/k8s.io/3f2a"});
  }
  void was_fetched(std::uint32_t chunk, const std::string& source, int ms) {
    fetched_[index_->chunk(chunk)->digest] = {.chunk = index_->chunk(chunk)->digest, .source = source, .took = milliseconds(ms)};
  }
  std::vector<ExplainedRead> explain(std::string_view container) {
    return snapshotter::explain(container, stack_.mount(), stack_.layers(), [this](const Digest& chunk) {
      const auto found = fetched_.find(chunk);
      return found == fetched_.end() ? std::optional<peer::SlowFetch>() : found->second;
    });
  }

  SnapshotterStack stack_;
  const TestLayer layer_ = make_file_layer("usr/big", cache_index::sample_bytes(1, 4 << 20));
  peer::LayerIndex index_;
  std::uint32_t inode_ = 0;
  std::map<Digest, peer::SlowFetch> fetched_;
};

TEST_F(ExplainTest, NamesTheFileAndTheChunkThatTookLongest) {
  was_slow();
  was_fetched(0, "cache", 6);
  was_fetched(1, "site", 25);

  const std::vector<ExplainedRead> reads = explain("3f2a");

  ASSERT_THAT(reads, SizeIs(1));
  EXPECT_EQ(reads[0].path, "/usr/big");
  EXPECT_EQ(reads[0].layer, layer_.record.layer);
  EXPECT_EQ(reads[0].image_ref, "docker.io/library/python:3");
  EXPECT_EQ(reads[0].chunk, 1u);
  ASSERT_TRUE(reads[0].fetched);
  EXPECT_EQ(reads[0].fetched->source, "site");
}

TEST_F(ExplainTest, FindsReadsByContainerOrImage) {
  was_slow();

  EXPECT_THAT(explain("3f2a"), SizeIs(1));
  EXPECT_THAT(explain("library/python"), SizeIs(1));
  EXPECT_THAT(explain(""), SizeIs(1));
  EXPECT_THAT(explain("4b"), IsEmpty());
}

TEST_F(ExplainTest, SaysWhatItKnowsOfAnUnknownChunk) {
  was_slow();

  const std::vector<ExplainedRead> reads = explain("");

  ASSERT_THAT(reads, SizeIs(1));
  EXPECT_FALSE(reads[0].fetched);
  EXPECT_EQ(reads[0].path, "/usr/big");
}

TEST_F(ExplainTest, SaysWhatItKnowsOfALayerThatIsGone) {
  stack_.mount().was_slow({.slot = 9, .inode = 4, .took = milliseconds(30), .cgroup = "/k8s.io/3f2a"});

  const std::vector<ExplainedRead> reads = explain("3f2a");

  ASSERT_THAT(reads, SizeIs(1));
  EXPECT_TRUE(reads[0].layer.is_null());
  EXPECT_EQ(reads[0].path, "");
}

}  // namespace
}  // namespace samara::snapshotter
