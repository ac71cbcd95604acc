#include "snapshotter/metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "fake_clock.h"
#include "memory_store.h"

namespace samara::snapshotter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class MetadataTest : public ::testing::Test {
 protected:
  MetadataTest() { reopen(); }

  void reopen() {
    auto opened = Metadata::open(store_, clock_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    metadata_ = *std::move(opened);
  }
  absl::Status prepare(const std::string& key, const std::string& parent = "", Labels labels = {}) {
    return metadata_->create(Kind::kActive, key, parent, std::move(labels), metadata_->reserve_id()).status();
  }
  absl::Status view(const std::string& key, const std::string& parent) {
    return metadata_->create(Kind::kView, key, parent, {}, metadata_->reserve_id()).status();
  }
  void committed(const std::string& name, const std::string& parent = "") {
    ASSERT_TRUE(prepare("to be " + name, parent).ok());
    ASSERT_TRUE(metadata_->commit(name, "to be " + name, {}).ok());
  }
  LazyLayer lazy_layer() {
    LazyLayer layer;
    layer.slot = metadata_->reserve_slot();
    layer.layer = *Digest::parse("sha256:" + std::string(64, '1'));
    layer.index = *Digest::parse("sha256:" + std::string(64, '2'));
    layer.index_size = 1234;
    layer.image_ref = "docker.io/library/python:3";
    return layer;
  }
  static Labels ref(const std::string& target) { return {{"containerd.io/snapshot.ref", target}}; }
  std::vector<std::string> names() {
    std::vector<std::string> names;
    for (const Info& info : metadata_->list(*FilterSet::parse({}))) names.push_back(info.name);
    return names;
  }

  MemoryStore store_;
  FakeClock clock_;
  std::unique_ptr<Metadata> metadata_;
};

TEST_F(MetadataTest, KeepsWhatWasCreatedOverARestart) {
  committed("base");
  ASSERT_TRUE(prepare("work", "base", {{"a", "b"}}).ok());
  const Snapshot before = *metadata_->stat("work");

  reopen();

  const auto after = metadata_->stat("work");
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(after->info.parent, "base");
  EXPECT_EQ(after->info.kind, Kind::kActive);
  EXPECT_EQ(after->info.labels, before.info.labels);
  EXPECT_EQ(after->info.created_ns, before.info.created_ns);
  EXPECT_EQ(after->id, before.id);
  EXPECT_GT(metadata_->reserve_id(), before.id);
  EXPECT_TRUE(absl::IsFailedPrecondition(metadata_->remove("base").status()));
}

TEST_F(MetadataTest, MissingSnapshotsAreNotFound) {
  EXPECT_TRUE(absl::IsNotFound(metadata_->stat("none").status()));
  EXPECT_TRUE(absl::IsNotFound(metadata_->remove("none").status()));
  EXPECT_TRUE(absl::IsNotFound(metadata_->commit("name", "none", {})));
  EXPECT_TRUE(absl::IsNotFound(metadata_->update("none", {}, {}).status()));
  EXPECT_TRUE(absl::IsNotFound(prepare("key", "none")));
}

TEST_F(MetadataTest, KeysAndNamesAreTakenOnce) {
  committed("base");
  ASSERT_TRUE(prepare("key").ok());

  EXPECT_TRUE(absl::IsAlreadyExists(prepare("key")));
  EXPECT_TRUE(absl::IsAlreadyExists(prepare("base")));
  EXPECT_TRUE(absl::IsAlreadyExists(metadata_->commit("base", "key", {})));
}

TEST_F(MetadataTest, OnlyCommittedSnapshotsCanBeParents) {
  committed("base");
  ASSERT_TRUE(prepare("active").ok());
  ASSERT_TRUE(view("view", "base").ok());

  EXPECT_TRUE(absl::IsInvalidArgument(prepare("child", "active")));
  EXPECT_TRUE(absl::IsInvalidArgument(prepare("child", "view")));
}

TEST_F(MetadataTest, OnlyActiveSnapshotsCanBeCommitted) {
  committed("base");
  ASSERT_TRUE(view("view", "base").ok());

  EXPECT_TRUE(absl::IsFailedPrecondition(metadata_->commit("name", "view", {})));
  EXPECT_TRUE(absl::IsFailedPrecondition(metadata_->commit("name", "base", {})));
}

TEST_F(MetadataTest, CommitReplacesLabelsAndTimes) {
  ASSERT_TRUE(prepare("key", "", {{"old", "1"}}).ok());
  clock_.advance(std::chrono::seconds(5));

  ASSERT_TRUE(metadata_->commit("name", "key", {{"new", "2"}}).ok());

  const Snapshot snapshot = *metadata_->stat("name");
  EXPECT_EQ(snapshot.info.kind, Kind::kCommitted);
  EXPECT_EQ(snapshot.info.labels, (Labels{{"new", "2"}}));
  EXPECT_EQ(snapshot.info.created_ns, clock_.wall_now().time_since_epoch().count());
  EXPECT_THAT(names(), ElementsAre("name"));
}

TEST_F(MetadataTest, CannotRemoveAParentBeforeItsChildren) {
  committed("base");
  ASSERT_TRUE(prepare("child", "base").ok());

  const auto refused = metadata_->remove("base");
  const auto child = metadata_->remove("child");
  const auto base = metadata_->remove("base");

  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status()));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("remove"));
  EXPECT_TRUE(child.ok());
  EXPECT_TRUE(base.ok());
  EXPECT_THAT(names(), IsEmpty());
}

TEST_F(MetadataTest, NamesAreReusableAfterRemoval) {
  committed("base");
  ASSERT_TRUE(metadata_->remove("base").ok());

  committed("base");

  EXPECT_THAT(names(), ElementsAre("base"));
}

TEST_F(MetadataTest, ChainRunsFromTheNearestParentDown) {
  committed("one");
  committed("two", "one");
  committed("three", "two");

  const auto chain = metadata_->chain("three");

  ASSERT_TRUE(chain.ok());
  ASSERT_EQ(chain->size(), 3u);
  EXPECT_EQ((*chain)[0].info.name, "three");
  EXPECT_EQ((*chain)[2].info.name, "one");
  EXPECT_TRUE(metadata_->chain("")->empty());
}

TEST_F(MetadataTest, UpdateWithoutMaskReplacesAllLabels) {
  ASSERT_TRUE(prepare("key", "", {{"a", "1"}, {"b", "2"}}).ok());
  const Info before = metadata_->stat("key")->info;

  const auto after = metadata_->update("key", {{"c", "3"}}, {});

  ASSERT_TRUE(after.ok());
  EXPECT_EQ(after->labels, (Labels{{"c", "3"}}));
  EXPECT_EQ(after->created_ns, before.created_ns);
  EXPECT_GT(after->updated_ns, before.updated_ns);
}

TEST_F(MetadataTest, UpdateChangesOnlyMaskedLabels) {
  ASSERT_TRUE(prepare("key", "", {{"a", "1"}, {"b.c", "2"}, {"d", "4"}}).ok());

  const auto after = metadata_->update("key", {{"a", "new"}, {"e", "5"}, {"d", "ignored"}},
                                       {"labels.a", "labels.b.c", "labels.e"});

  ASSERT_TRUE(after.ok());
  EXPECT_EQ(after->labels, (Labels{{"a", "new"}, {"d", "4"}, {"e", "5"}}));
  EXPECT_EQ(metadata_->stat("key")->info.labels, after->labels);
}

TEST_F(MetadataTest, UpdateOfAnythingButLabelsIsInvalid) {
  ASSERT_TRUE(prepare("key").ok());

  for (const char* path : {"parent", "name", "labels.", "kind", ""}) {
    EXPECT_TRUE(absl::IsInvalidArgument(metadata_->update("key", {}, {path}).status())) << path;
  }
}

TEST_F(MetadataTest, ALazySnapshotIsFoundByTargetAndExactParent) {
  committed("base");

  const auto made = metadata_->create_lazy("base", ref("sha256:t"), lazy_layer());

  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->info.kind, Kind::kCommitted);
  EXPECT_EQ(made->info.parent, "base");
  EXPECT_EQ(made->info.labels, ref("sha256:t"));
  EXPECT_TRUE(metadata_->find_committed("sha256:t", "base"));
  EXPECT_FALSE(metadata_->find_committed("sha256:t", ""));
  EXPECT_FALSE(metadata_->find_committed("sha256:u", "base"));
}

TEST_F(MetadataTest, TheSameTargetUnderAnotherParentIsASecondSnapshot) {
  committed("one");
  committed("two");
  const LazyLayer layer = lazy_layer();
  ASSERT_TRUE(metadata_->create_lazy("one", ref("sha256:t"), layer).ok());

  const auto second = metadata_->create_lazy("two", ref("sha256:t"), layer);
  const auto again = metadata_->create_lazy("two", ref("sha256:t"), layer);

  EXPECT_TRUE(second.ok()) << second.status();
  EXPECT_TRUE(absl::IsAlreadyExists(again.status()));
  EXPECT_EQ(metadata_->slot_users()[layer.slot], 2u);
}

TEST_F(MetadataTest, LazyLayersSurviveARestartUntilTheirLastSnapshotGoes) {
  const LazyLayer layer = lazy_layer();
  const std::string one = metadata_->create_lazy("", ref("sha256:t"), layer)->info.name;
  reopen();

  const std::vector<LazyLayer> kept = metadata_->lazy_layers();

  ASSERT_EQ(kept.size(), 1u);
  EXPECT_EQ(kept[0].slot, layer.slot);
  EXPECT_EQ(kept[0].index, layer.index);
  EXPECT_EQ(kept[0].layer, layer.layer);
  EXPECT_EQ(kept[0].index_size, layer.index_size);
  EXPECT_EQ(kept[0].image_ref, layer.image_ref);
  EXPECT_GT(metadata_->reserve_slot(), layer.slot);

  ASSERT_TRUE(metadata_->remove(one).ok());
  reopen();

  EXPECT_THAT(metadata_->lazy_layers(), IsEmpty());
}

TEST_F(MetadataTest, AFailedWriteChangesNothing) {
  committed("base");
  ASSERT_TRUE(prepare("key").ok());
  store_.answer_writes_with(absl::ResourceExhaustedError("disk full"));

  const absl::Status prepared = prepare("other", "base");
  const absl::Status committed = metadata_->commit("name", "key", {});
  const absl::Status removed = metadata_->remove("key").status();
  const absl::Status lazy = metadata_->create_lazy("base", ref("sha256:t"), lazy_layer()).status();

  EXPECT_TRUE(absl::IsInternal(prepared)) << prepared;
  EXPECT_TRUE(absl::IsInternal(committed)) << committed;
  EXPECT_TRUE(absl::IsInternal(removed)) << removed;
  EXPECT_TRUE(absl::IsInternal(lazy)) << lazy;
  EXPECT_THAT(names(), ElementsAre("base", "key"));
  store_.answer_writes_with(absl::OkStatus());
  EXPECT_TRUE(metadata_->remove("base").ok());
}

TEST_F(MetadataTest, ADamagedRowIsReportedAtOpen) {
  ASSERT_TRUE(store_.write({{"snapshots", "broken", "\xff\xff"}}, cache_index::Store::Sync::kNo).ok());

  const auto opened = Metadata::open(store_, clock_);

  EXPECT_TRUE(absl::IsDataLoss(opened.status()));
  EXPECT_THAT(std::string(opened.status().message()), HasSubstr("broken"));
}

TEST_F(MetadataTest, ManyPreparesAtOnceEachGetTheirOwnRow) {
  committed("base");
  std::vector<std::thread> threads;

  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([this, i] {
      for (int j = 0; j < 50; ++j) (void)prepare(std::to_string(i) + "/" + std::to_string(j), "base");
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(metadata_->count(), 401u);
  reopen();
  EXPECT_EQ(metadata_->count(), 401u);
}

}  // namespace
}  // namespace samara::snapshotter
