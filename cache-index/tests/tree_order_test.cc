#include "tree_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

namespace samara::cache_index {
namespace {

constexpr std::uint64_t kStreamSize = 8192;

LayerNode directory(std::map<std::string, std::uint32_t> children = {}) {
  return {.mode = S_IFDIR | 0755, .children = std::move(children)};
}
LayerNode file() { return {.mode = S_IFREG | 0644}; }

absl::Status refusal(LayerTree tree) { return order_tree(tree, kStreamSize).status(); }
/// How a root with the one entry "entry" is refused.
absl::Status refusal_of(LayerNode node, std::string name = "entry") {
  return refusal({.nodes = {directory({{std::move(name), 1}}), std::move(node)}});
}

TEST(TreeOrder, LeavesOutWhatNothingReaches) {
  const LayerTree tree{.nodes = {directory({{"kept", 2}}), file(), file()}};

  const auto order = order_tree(tree, kStreamSize);

  ASSERT_TRUE(order.ok()) << order.status();
  EXPECT_THAT(order->nodes, ::testing::ElementsAre(0, 2));
  EXPECT_THAT(order->inode_of, ::testing::ElementsAre(1, 0, 2));
}

TEST(TreeOrder, ChecksNothingThatNothingReaches) {
  const LayerTree tree{.nodes = {directory(), {.mode = 0}}};

  EXPECT_TRUE(order_tree(tree, kStreamSize).ok());
}

TEST(TreeOrder, RefusesDirectoriesWithTwoNames) {
  EXPECT_TRUE(absl::IsInvalidArgument(refusal({.nodes = {directory({{"a", 1}, {"b", 1}}), directory()}})));
  EXPECT_TRUE(absl::IsInvalidArgument(refusal({.nodes = {directory({{"a", 0}})}})));
  EXPECT_TRUE(absl::IsInvalidArgument(refusal({.nodes = {directory({{"a", 1}}), directory({{"b", 1}})}})));
}

TEST(TreeOrder, RefusesATreeWithoutARootDirectory) {
  EXPECT_TRUE(absl::IsInvalidArgument(refusal({})));
  EXPECT_TRUE(absl::IsInvalidArgument(refusal({.nodes = {file()}})));
}

TEST(TreeOrder, RefusesNamesThatNoFileSystemHolds) {
  const std::string impossible[] = {"", ".", "..", "a/b", std::string("a\0b", 3), std::string(256, 'x')};
  for (const std::string& name : impossible) {
    EXPECT_TRUE(absl::IsInvalidArgument(refusal_of(file(), name))) << name;
  }
  EXPECT_TRUE(refusal_of(file(), std::string(255, 'x')).ok());
}

TEST(TreeOrder, NamesTheEntryThatItRefuses) {
  const absl::Status status = refusal_of({.mode = 0}, "bad\n");

  EXPECT_NE(status.message().find("bad\\n"), std::string::npos) << status;
}

TEST(TreeOrder, RefusesNodesThatCannotBe) {
  const LayerNode impossible[] = {
      {.mode = 0644},
      {.mode = S_IFREG | 0x40000},
      {.mode = S_IFREG, .mtime_nsec = 1'000'000'000},
      {.mode = S_IFREG, .data_offset = 1},
      {.mode = S_IFREG, .size = 4097, .data_offset = 4096},
      {.mode = S_IFREG, .size = 2, .data_offset = ~std::uint64_t{0} - 4095},
      {.mode = S_IFREG, .children = {{"x", 1}}},
      {.mode = S_IFLNK},
      {.mode = S_IFLNK, .symlink_target = std::string(4096, 'x')},
      {.mode = S_IFLNK, .symlink_target = std::string("a\0b", 3)},
      {.mode = S_IFREG, .xattrs = {{"", "x"}}},
      {.mode = S_IFREG, .xattrs = {{std::string(256, 'x'), "x"}}},
      {.mode = S_IFREG, .xattrs = {{"user.x", std::string(65537, 'x')}}},
      directory({{"no such node", 7}}),
  };
  for (const LayerNode& node : impossible) {
    EXPECT_TRUE(absl::IsInvalidArgument(refusal_of(node))) << "case " << &node - impossible;
  }
}

}  // namespace
}  // namespace samara::cache_index
