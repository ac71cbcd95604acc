#include "slot_table.h"

#include <gtest/gtest.h>

#include "node_id.h"
#include "test_layer.h"

namespace samara::fuse_fs {
namespace {

peer::LayerIndex layer_with(const char* content) {
  TestLayer layer;
  layer.file("file", content);
  return layer.build();
}

TEST(NodeIds, GoThereAndBack) {
  const NodeId last{kMaxSlots - 1, 0xffff'ffff};

  const NodeId back = to_node_id(to_number(last));

  EXPECT_EQ(back.slot, last.slot);
  EXPECT_EQ(back.inode, last.inode);
  EXPECT_GT(to_number({0, 0}), kMountRoot);
}

TEST(SlotTable, TakesTheSameLayerTwice) {
  SlotTable slots;
  const auto layer = layer_with("one");

  EXPECT_TRUE(slots.attach(7, layer).ok());
  EXPECT_TRUE(slots.attach(7, layer).ok());

  EXPECT_EQ(slots.find(7), layer);
  EXPECT_EQ(slots.totals().slots, 1u);
}

TEST(SlotTable, RefusesAnotherLayerInASlotThatHadOne) {
  SlotTable slots;
  ASSERT_TRUE(slots.attach(7, layer_with("one")).ok());
  ASSERT_TRUE(slots.detach(7).ok());

  const absl::Status status = slots.attach(7, layer_with("two"));

  EXPECT_TRUE(absl::IsAlreadyExists(status)) << status;
  EXPECT_EQ(slots.find_attached(7), nullptr);
}

TEST(SlotTable, RefusesASlotThatHasNoNodeNumbers) {
  SlotTable slots;

  const absl::Status status = slots.attach(kMaxSlots, layer_with("one"));

  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
}

TEST(SlotTable, KeepsADetachedLayerUntilTheKernelForgetsIt) {
  SlotTable slots;
  ASSERT_TRUE(slots.attach(3, layer_with("one")).ok());
  slots.looked_up(3, 2);

  ASSERT_TRUE(slots.detach(3).ok());
  EXPECT_EQ(slots.find_attached(3), nullptr);
  EXPECT_NE(slots.find(3), nullptr);

  slots.forget(3, 1);
  EXPECT_NE(slots.find(3), nullptr);
  slots.forget(3, 1);
  EXPECT_EQ(slots.find(3), nullptr);
}

TEST(SlotTable, DropsADetachedLayerThatTheKernelNeverSaw) {
  SlotTable slots;
  const auto layer = layer_with("one");
  ASSERT_TRUE(slots.attach(3, layer).ok());

  ASSERT_TRUE(slots.detach(3).ok());

  EXPECT_EQ(slots.find(3), nullptr);
  EXPECT_EQ(layer.use_count(), 1);
  EXPECT_TRUE(absl::IsNotFound(slots.detach(3)));
}

TEST(SlotTable, BringsALayerBack) {
  SlotTable slots;
  const auto layer = layer_with("one");
  ASSERT_TRUE(slots.attach(3, layer).ok());
  ASSERT_TRUE(slots.detach(3).ok());

  ASSERT_TRUE(slots.attach(3, layer).ok());

  EXPECT_EQ(slots.find_attached(3), layer);
}

TEST(SlotTable, WalksAttachedSlotsInOrder) {
  SlotTable slots;
  const auto layer = layer_with("one");
  for (const std::uint32_t slot : {9u, 2u, 5u}) ASSERT_TRUE(slots.attach(slot, layer).ok());
  ASSERT_TRUE(slots.detach(5).ok());

  EXPECT_EQ(slots.next(0)->slot, 2u);
  EXPECT_EQ(slots.next(3)->slot, 9u);
  EXPECT_FALSE(slots.next(10).has_value());
  EXPECT_FALSE(slots.next(std::uint64_t{1} << 32).has_value());
}

TEST(SlotTable, ChangesItsTimeWithEveryChange) {
  SlotTable slots;
  const timespec before = slots.changed();

  ASSERT_TRUE(slots.attach(1, layer_with("one")).ok());
  const timespec attached = slots.changed();
  ASSERT_TRUE(slots.detach(1).ok());
  const timespec detached = slots.changed();

  const auto differ = [](const timespec& a, const timespec& b) {
    return a.tv_sec != b.tv_sec || a.tv_nsec != b.tv_nsec;
  };
  EXPECT_TRUE(differ(before, attached));
  EXPECT_TRUE(differ(attached, detached));
}

}  // namespace
}  // namespace samara::fuse_fs
