#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/text.h"
#include "snapshotter_stack.h"

namespace samara::snapshotter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kImage = "docker.io/library/python:3";

class LazySnapshots : public ::testing::Test {
 protected:
  absl::Status prepare(const TestLayer& layer, const std::string& target, const std::string& parent,
                       const std::string& key = "extract-1 x") {
    return stack_->prepare(key, parent, cri_labels(target, layer, kImage)).status();
  }
  std::string lower_of(const std::string& parent) {
    const auto mounts = stack_->prepare("container on " + parent, parent, {});
    EXPECT_TRUE(mounts.ok()) << mounts.status();
    return mounts.ok() ? mounts->back().options.back() : "";
  }

  SnapshotterStack stack_;
  const TestLayer base_ = make_file_layer("base", "1");
  const TestLayer top_ = make_file_layer("top", "2");
  const std::vector<std::string> chain_ = chain_ids({base_, top_});
};

TEST_F(LazySnapshots, ALayerTheSiteHasIsCommittedAtOnce) {
  stack_.site().has(base_);

  const absl::Status status = prepare(base_, chain_[0], "");

  EXPECT_TRUE(absl::IsAlreadyExists(status)) << status;
  const auto info = stack_->stat(stack_.find(chain_[0], ""));
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->kind, Kind::kCommitted);
  EXPECT_EQ(info->parent, "");
  EXPECT_EQ(info->labels, cri_labels(chain_[0], base_, kImage));
  EXPECT_TRUE(absl::IsNotFound(stack_->stat("extract-1 x").status()));
  EXPECT_THAT(stack_.mount().attached(), SizeIs(1));
}

TEST_F(LazySnapshots, AContainerStandsOnTheLayersOfTheMount) {
  const std::string top = stack_.prepare_lazily({base_, top_}, kImage);

  EXPECT_EQ(lower_of(top), str_cat("lowerdir=", stack_.mount().path(2), ":", stack_.mount().path(1)));
}

TEST_F(LazySnapshots, AViewOfOneLazyLayerIsItsDirectoryReadOnly) {
  const std::string base = stack_.prepare_lazily({base_}, kImage);

  const auto view = stack_->view("view", base, {});

  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_THAT(*view, ElementsAre(Mount{"bind", stack_.mount().path(1), {"ro", "rbind"}}));
}

TEST_F(LazySnapshots, FallBackToWritableMountsWhenTheSiteDoesNotKnowTheLayer) {
  const auto mounts = stack_->prepare("key", "", cri_labels(chain_[0], base_, kImage));

  ASSERT_TRUE(mounts.ok()) << mounts.status();
  EXPECT_THAT(mounts->back().options, ElementsAre("rw", "rbind"));
}

TEST_F(LazySnapshots, FallBackWhenTheSiteIsAway) {
  stack_.site().goes_away();

  EXPECT_TRUE(prepare(base_, chain_[0], "").ok());
}

TEST_F(LazySnapshots, FallBackWhenTheLayerIsNotTheOneMeant) {
  stack_.site().has(base_);
  const std::string wrong = "sha256:" + std::string(64, 'd');

  EXPECT_TRUE(prepare(base_, wrong, "").ok());
  EXPECT_THAT(stack_.mount().attached(), IsEmpty());
}

TEST_F(LazySnapshots, FallBackWhenTheMountTakesNoMore) {
  stack_.site().has(base_);
  stack_.mount().answer_attach_with(absl::ResourceExhaustedError("full"));

  EXPECT_TRUE(prepare(base_, chain_[0], "").ok());
  EXPECT_THAT(stack_.layers().states(), IsEmpty());
}

TEST_F(LazySnapshots, FallBackWhenAnImpliedDirectoryWouldHideTheLowerOne) {
  const TestLayer base = make_test_layer(
      {{.path = "", .mode = S_IFDIR | 0755}, {.path = "tmp", .mode = S_IFDIR | 01777}, {.path = "tmp/a", .content = "a"}});
  const TestLayer top = make_test_layer({{.path = "tmp/b", .content = "b"}});
  const std::vector<std::string> chain = chain_ids({base, top});
  const std::string parent = stack_.prepare_lazily({base}, kImage);
  stack_.site().has(top);

  EXPECT_TRUE(prepare(top, chain[1], parent).ok());
}

TEST_F(LazySnapshots, ALazyLayerStandsOnAnOrdinaryOne) {
  ASSERT_TRUE(prepare(base_, chain_[0], "", "extract-1 base").ok());
  const std::string base = "k8s.io/7/" + chain_[0];
  ASSERT_TRUE(stack_->commit(base, "extract-1 base", {}).ok());
  stack_.site().has(top_);

  const absl::Status status = prepare(top_, chain_[1], base);

  EXPECT_TRUE(absl::IsAlreadyExists(status)) << status;
  EXPECT_EQ(lower_of(stack_.find(chain_[1], base)), str_cat("lowerdir=", stack_.mount().path(1), ":", stack_.path(), "/s/1/fs"));
}

TEST_F(LazySnapshots, AnOrdinaryLayerStandsOnALazyOne) {
  const std::string base = stack_.prepare_lazily({base_}, kImage);

  ASSERT_TRUE(prepare(top_, chain_[1], base, "extract-2 top").ok());
  ASSERT_TRUE(stack_->commit("k8s.io/8/" + chain_[1], "extract-2 top", {{"containerd.io/snapshot.ref", chain_[1]}}).ok());

  EXPECT_THAT(lower_of("k8s.io/8/" + chain_[1]), HasSubstr(stack_.mount().path(1)));
}

TEST_F(LazySnapshots, TheSameLayerAgainIsAnsweredFromWhatIsCommitted) {
  stack_.prepare_lazily({base_}, kImage);
  stack_.site().goes_away();

  const absl::Status status = prepare(base_, chain_[0], "", "another key");

  EXPECT_TRUE(absl::IsAlreadyExists(status));
  EXPECT_EQ(stack_->count(), 1u);
}

TEST_F(LazySnapshots, TheSameChainUnderAnotherParentSharesTheSlot) {
  const std::string lazy_base = stack_.prepare_lazily({base_, top_}, kImage);
  ASSERT_TRUE(stack_->prepare("ordinary", "", {}).ok());
  const std::string ordinary = "other/3/" + chain_[0];
  ASSERT_TRUE(stack_->commit(ordinary, "ordinary", {}).ok());

  const absl::Status status = prepare(top_, chain_[1], ordinary);

  EXPECT_TRUE(absl::IsAlreadyExists(status));
  const std::string second = stack_.find(chain_[1], ordinary);
  EXPECT_NE(second, "");
  EXPECT_NE(second, lazy_base);
  EXPECT_THAT(stack_.mount().attached(), SizeIs(2));
}

TEST_F(LazySnapshots, AnUnknownChainIdBelowMakesItOrdinary) {
  ASSERT_TRUE(stack_->prepare("ordinary", "", {}).ok());
  ASSERT_TRUE(stack_->commit("a name of no chain", "ordinary", {}).ok());
  stack_.site().has(top_);

  EXPECT_TRUE(prepare(top_, chain_[1], "a name of no chain").ok());
}

TEST_F(LazySnapshots, AWrongCallIsAnsweredBeforeAnythingIsFetched) {
  stack_.site().has(top_);

  EXPECT_TRUE(absl::IsNotFound(prepare(top_, chain_[1], "missing")));
  EXPECT_THAT(stack_.site().asked(), IsEmpty());
}

TEST_F(LazySnapshots, TheLastSnapshotTakesTheLayerOffTheMount) {
  const std::string top = stack_.prepare_lazily({base_, top_}, kImage);
  const std::string base = stack_.find(chain_[0], "");

  EXPECT_TRUE(absl::IsFailedPrecondition(stack_->remove(base)));
  ASSERT_TRUE(stack_->remove(top).ok());
  EXPECT_THAT(stack_.mount().attached(), SizeIs(1));
  ASSERT_TRUE(stack_->remove(base).ok());
  EXPECT_THAT(stack_.mount().attached(), IsEmpty());
}

TEST_F(LazySnapshots, AreAttachedAgainAfterARestartWithoutAnyNetwork) {
  const std::string top = stack_.prepare_lazily({base_, top_}, kImage);
  const std::string before = lower_of(top);
  stack_.forget_site();

  stack_.restart();

  EXPECT_THAT(stack_.mount().attached(), SizeIs(2));
  EXPECT_EQ(stack_.mount().attached().at(2)->info().diff_id, top_.diff_id);
  EXPECT_EQ(stack_->mounts("container on " + top)->back().options.back(), before);
  EXPECT_TRUE(absl::IsAlreadyExists(prepare(base_, chain_[0], "", "second image")));
}

TEST_F(LazySnapshots, ALayerWhoseIndexIsGoneComesBackWithTheSite) {
  const std::string base = stack_.prepare_lazily({base_}, kImage);
  lower_of(base);
  ASSERT_TRUE(stack_.cache().remove_object(base_.record.index).ok());
  stack_.restart();

  stack_.site().goes_away();
  const absl::Status away = stack_->mounts("container on " + base).status();
  stack_.clock().advance(std::chrono::seconds(10));
  stack_.site().comes_back();
  stack_.site().has(base_);
  const auto back = stack_->mounts("container on " + base);

  EXPECT_TRUE(absl::IsUnavailable(away)) << away;
  EXPECT_TRUE(back.ok()) << back.status();
  EXPECT_THAT(stack_.mount().attached(), SizeIs(1));
}

TEST_F(LazySnapshots, UsageIsWhatIsHereOfTheLayer) {
  const TestLayer big = make_file_layer("big", cache_index::sample_bytes(3, 1 << 20));
  const std::string name = stack_.prepare_lazily({big}, kImage);

  EXPECT_EQ(stack_->usage(name)->bytes, 0u);
  EXPECT_EQ(stack_->usage(name)->inodes, 2u);

  const peer::LayerIndex index = stack_.mount().attached().at(1);
  for (std::uint32_t i = 0; i < index->info().chunk_count; ++i) {
    const cache_index::Chunk chunk = *index->chunk(i);
    ASSERT_TRUE(stack_.cache()
                    .put_frame(big.record.blob, chunk, as_bytes(big.blob).subspan(chunk.blob_offset, chunk.blob_size))
                    .ok());
  }

  EXPECT_EQ(stack_->usage(name)->bytes, big.record.blob_size);
}

TEST_F(LazySnapshots, ManyPreparesOfTheSameLayerMakeOneSnapshot) {
  stack_.site().has(base_);
  std::vector<std::thread> threads;
  std::vector<absl::Status> answers(16);

  for (std::size_t i = 0; i < answers.size(); ++i) {
    threads.emplace_back([&, i] { answers[i] = prepare(base_, chain_[0], "", str_cat("key ", i)); });
  }
  for (std::thread& thread : threads) thread.join();

  for (const absl::Status& answer : answers) EXPECT_TRUE(absl::IsAlreadyExists(answer)) << answer;
  EXPECT_EQ(stack_->count(), 1u);
  EXPECT_THAT(stack_.layers().states(), SizeIs(1));
  ASSERT_TRUE(stack_->remove(stack_.find(chain_[0], "")).ok());
  EXPECT_THAT(stack_.mount().attached(), IsEmpty());
}

TEST_F(LazySnapshots, PreparesAndRemovalsOfOneLayerAtOnceLeaveNothingHalfAttached) {
  stack_.site().has(base_);
  std::vector<std::thread> threads;

  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int j = 0; j < 20; ++j) {
        (void)prepare(base_, chain_[0], "", str_cat("key ", i, " ", j));
        (void)stack_->remove(stack_.find(chain_[0], ""));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  ASSERT_TRUE(stack_->count() == 0 || stack_->remove(stack_.find(chain_[0], "")).ok());
  EXPECT_THAT(stack_.mount().attached(), IsEmpty());
  EXPECT_TRUE(absl::IsAlreadyExists(prepare(base_, chain_[0], "")));
  EXPECT_THAT(stack_.mount().attached(), SizeIs(1));
}

}  // namespace
}  // namespace samara::snapshotter
