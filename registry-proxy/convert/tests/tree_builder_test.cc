#include "tree_builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/text.h"

namespace samara::convert {
namespace {

using cache_index::LayerNode;
using cache_index::LayerTree;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

TarEntry file(std::string name, std::uint64_t size = 1) {
  return {.name = std::move(name), .mode = 0644, .size = size};
}
TarEntry of_type(EntryType type, std::string name, std::string target = {}, std::uint32_t mode = 0755) {
  return {.type = type, .name = std::move(name), .link_target = std::move(target), .mode = mode};
}
TarEntry directory(std::string name, std::uint32_t mode = 0755) {
  return of_type(EntryType::kDirectory, std::move(name), {}, mode);
}
TarEntry symlink(std::string name, std::string target) {
  return of_type(EntryType::kSymlink, std::move(name), std::move(target));
}
TarEntry hard_link(std::string name, std::string target) {
  return of_type(EntryType::kHardLink, std::move(name), std::move(target), 0644);
}

/// Applies all of them, which must go well.
LayerTree tree_of(const std::vector<TarEntry>& entries) {
  TreeBuilder builder;
  for (const TarEntry& entry : entries) {
    const auto added = builder.add(entry);
    EXPECT_TRUE(added.ok()) << added.status();
  }
  return builder.take();
}

/// What the last of them answers.
absl::Status refusal(const std::vector<TarEntry>& entries) {
  TreeBuilder builder;
  absl::Status status;
  for (const TarEntry& entry : entries) status = builder.add(entry).status();
  return status;
}

std::string listing(const LayerTree& tree, std::uint32_t node = 0, const std::string& path = "") {
  std::string text;
  for (const auto& [name, child] : tree.nodes[node].children) {
    const LayerNode& found = tree.nodes[child];
    str_append(&text, path, name, S_ISDIR(found.mode) ? "/ " : S_ISLNK(found.mode) ? "@ " : S_ISCHR(found.mode) ? "% " : " ");
    text += listing(tree, child, path + name + "/");
  }
  return text;
}

const LayerNode& at(const LayerTree& tree, std::initializer_list<const char*> path) {
  std::uint32_t node = 0;
  for (const char* name : path) node = tree.nodes[node].children.at(name);
  return tree.nodes[node];
}

TEST(TreeBuilder, CleansNames) {
  const LayerTree tree = tree_of({file("./a"), file("/b"), file("c/../d"), file("../../e"), file("f//./g"), directory("h/")});

  EXPECT_EQ(listing(tree), "a b d e f/ f/g h/ ");
}

TEST(TreeBuilder, MakesParentsThatTheTarDoesNotName) {
  const LayerTree tree = tree_of({file("usr/bin/x"), directory("usr", 0700)});

  EXPECT_FALSE(at(tree, {"usr"}).implied);
  EXPECT_EQ(at(tree, {"usr"}).mode, S_IFDIR | 0700u);
  EXPECT_TRUE(at(tree, {"usr", "bin"}).implied);
  EXPECT_EQ(at(tree, {"usr", "bin"}).mode, S_IFDIR | 0755u);
  EXPECT_EQ(at(tree, {"usr", "bin"}).uid, 0u);
}

TEST(TreeBuilder, GivesParentsTheGroupOfASetgidDirectory) {
  TarEntry shared = directory("shared", 02775);
  shared.gid = 50;

  const LayerTree tree = tree_of({shared, file("shared/made/f")});

  EXPECT_EQ(at(tree, {"shared", "made"}).mode, S_IFDIR | 0755u);
  EXPECT_EQ(at(tree, {"shared", "made"}).gid, 50u);
}

TEST(TreeBuilder, LeavesTheRootAsContainerdMakesIt) {
  TarEntry root = directory("./", 0700);
  root.uid = 5;
  root.mtime_sec = 77;

  const LayerTree tree = tree_of({root});

  EXPECT_EQ(tree.nodes[0].mode, S_IFDIR | 0755u);
  EXPECT_EQ(tree.nodes[0].uid, 0u);
  EXPECT_EQ(tree.nodes[0].mtime_sec, 77);
}

TEST(TreeBuilder, MergesADirectoryThatComesTwice) {
  TarEntry first = directory("d", 0755), second = directory("d/", 01777);
  first.xattrs = {{"user.a", "1"}};
  second.xattrs = {{"user.b", "2"}};

  const LayerTree tree = tree_of({first, file("d/f"), second});

  EXPECT_EQ(listing(tree), "d/ d/f ");
  EXPECT_EQ(at(tree, {"d"}).mode, S_IFDIR | 01777u);
  EXPECT_THAT(at(tree, {"d"}).xattrs, ElementsAre(Pair("user.a", "1"), Pair("user.b", "2")));
}

TEST(TreeBuilder, ReplacesWhatIsNotADirectoryOnBothSides) {
  const LayerTree tree = tree_of({file("a", 1), file("a", 2), directory("b"), file("b/x"), file("b", 3), file("c"),
                                  directory("c"), symlink("s", "c"), directory("s")});

  EXPECT_EQ(listing(tree), "a b c/ s/ ");
  EXPECT_EQ(at(tree, {"a"}).size, 2u);
  EXPECT_EQ(at(tree, {"b"}).size, 3u);
}

TEST(TreeBuilder, MakesWhiteoutsDevices) {
  TarEntry whiteout = file("d/.wh.gone");
  whiteout.uid = 3;
  TreeBuilder builder;

  const auto added = builder.add(whiteout);

  ASSERT_TRUE(added.ok()) << added.status();
  EXPECT_FALSE(added->has_value()) << "a whiteout has no content";
  const LayerTree tree = builder.take();
  EXPECT_EQ(listing(tree), "d/ d/gone% ");
  EXPECT_EQ(at(tree, {"d", "gone"}).mode, static_cast<std::uint32_t>(S_IFCHR));
  EXPECT_EQ(at(tree, {"d", "gone"}).uid, 3u);
  EXPECT_TRUE(at(tree, {"d"}).implied);
}

TEST(TreeBuilder, LetsAWhiteoutRemoveWhatTheLayerItselfHolds) {
  EXPECT_EQ(listing(tree_of({directory("d"), file("d/f"), file(".wh.d")})), "d% ");
  EXPECT_EQ(listing(tree_of({file(".wh.d"), directory("d"), file("d/f")})), "d/ d/f ");
}

TEST(TreeBuilder, MarksOpaqueDirectories) {
  const LayerTree tree = tree_of({file("d/f"), file("d/.wh..wh..opq"), file(".wh..wh..opq")});

  EXPECT_EQ(listing(tree), "d/ d/f ");
  EXPECT_THAT(at(tree, {"d"}).xattrs, ElementsAre(Pair("trusted.overlay.opaque", "y")));
  EXPECT_THAT(tree.nodes[0].xattrs, ElementsAre(Pair("trusted.overlay.opaque", "y")));
}

TEST(TreeBuilder, IgnoresTheBookkeepingOfAufs) {
  EXPECT_EQ(listing(tree_of({file(".wh..wh.aufs"), directory(".wh..wh.plnk"), file(".wh..wh.plnk/1.2"), file("f")})), "f ");
}

TEST(TreeBuilder, RefusesWhiteoutsOfNoName) {
  for (const char* name : {".wh.", ".wh..", ".wh...", "d/.wh.."}) {
    EXPECT_EQ(refusal({file(name)}).code(), absl::StatusCode::kDataLoss) << name;
  }
}

// containerd clears a name before it looks at what shall be there, and for a global header finds nothing.
TEST(TreeBuilder, ClearsTheNameOfAGlobalHeader) {
  const LayerTree tree = tree_of({file("f"), file("d/in"), of_type(EntryType::kGlobalHeader, "f"),
                                  of_type(EntryType::kGlobalHeader, "d"), of_type(EntryType::kGlobalHeader, "made/x"),
                                  of_type(EntryType::kGlobalHeader, "./")});

  EXPECT_THAT(tree.nodes[0].children, ElementsAre(Pair("made", ::testing::_)));
  EXPECT_TRUE(at(tree, {"made"}).implied);
  EXPECT_TRUE(at(tree, {"made"}).children.empty());
}

TEST(TreeBuilder, LinksOneNodeUnderSeveralNames) {
  const LayerTree tree = tree_of({file("a", 7), hard_link("d/b", "a"), hard_link("c", "/d/./b")});

  EXPECT_EQ(tree.nodes[0].children.at("a"), tree.nodes[0].children.at("c"));
  EXPECT_EQ(&at(tree, {"d", "b"}), &at(tree, {"a"}));
  EXPECT_EQ(at(tree, {"a"}).size, 7u);
}

TEST(TreeBuilder, LetsAHardLinkSetTheAttributesOfItsNode) {
  TarEntry target = file("a");
  target.xattrs = {{"security.capability", "c"}, {"user.kept", "k"}};
  TarEntry link = hard_link("b", "a");
  link.mode = 04755;
  link.uid = 9;

  const LayerTree tree = tree_of({target, link});

  EXPECT_EQ(at(tree, {"a"}).mode, S_IFREG | 04755u);
  EXPECT_EQ(at(tree, {"a"}).uid, 9u);
  EXPECT_THAT(at(tree, {"a"}).xattrs, ElementsAre(Pair("user.kept", "k")));
}

TEST(TreeBuilder, RefusesHardLinksToWhatIsNotThere) {
  EXPECT_EQ(refusal({hard_link("b", "later")}).code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(refusal({file("a"), hard_link("a", "a")}).code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(refusal({hard_link("b", "no/such/file")}).code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(refusal({hard_link("b", "lower/file")}).message()),
              HasSubstr("\"b\" at byte 0: hard link to \"lower/file\", which isn't in this layer before it"));
  EXPECT_EQ(refusal({directory("d"), hard_link("b", "d")}).code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(refusal({hard_link("b", "/")}).code(), absl::StatusCode::kUnimplemented);
}

TEST(TreeBuilder, LinksToASymlinkItself) {
  const LayerTree tree = tree_of({symlink("s", "nowhere"), hard_link("t", "s")});

  EXPECT_EQ(listing(tree), "s@ t@ ");
  EXPECT_EQ(at(tree, {"t"}).mode, S_IFLNK | 0777u);
}

TEST(TreeBuilder, FollowsSymlinksOfTheLayerWithinTheRoot) {
  const LayerTree tree = tree_of({directory("usr/lib"), symlink("lib", "usr/lib"), file("lib/a"), symlink("abs", "/usr"),
                                  file("abs/b"), symlink("usr/up", "../../../opt"), file("usr/up/c"),
                                  hard_link("d", "lib/a")});

  EXPECT_EQ(listing(tree), "abs@ d lib@ opt/ opt/c usr/ usr/b usr/lib/ usr/lib/a usr/up@ ");
}

TEST(TreeBuilder, RefusesSymlinksInACircle) {
  EXPECT_EQ(refusal({symlink("a", "b"), symlink("b", "a"), file("a/x")}).code(), absl::StatusCode::kUnimplemented);
}

TEST(TreeBuilder, RefusesAFileAsAParent) {
  const absl::Status status = refusal({file("f"), file("f/x")});

  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(status.message()), HasSubstr("\"f\" on its path isn't a directory"));
}

TEST(TreeBuilder, KeepsTheAttributesThatAFileSystemWouldKeep) {
  TarEntry entry = file("f"), link = symlink("s", "f");
  entry.xattrs = link.xattrs = {{"user.u", "1"},
                                {"security.capability", "2"},
                                {"trusted.overlay.opaque", "y"},
                                {"com.apple.quarantine", "3"},
                                {"system.posix_acl_access", "4"}};

  const LayerTree tree = tree_of({entry, link});

  EXPECT_THAT(at(tree, {"f"}).xattrs,
              ElementsAre(Pair("security.capability", "2"), Pair("system.posix_acl_access", "4"), Pair("user.u", "1")));
  EXPECT_THAT(at(tree, {"s"}).xattrs, ElementsAre(Pair("security.capability", "2")));
}

TEST(TreeBuilder, KeepsDevicesSetuidAndTimes) {
  TarEntry null = of_type(EntryType::kCharDevice, "null", {}, 0666);
  null.device_major = 1;
  null.device_minor = 3;
  TarEntry setuid = file("su");
  setuid.mode = 06755;
  setuid.mtime_sec = 12;
  setuid.mtime_nsec = 34;
  TarEntry ancient = file("ancient");
  ancient.mtime_sec = -3;
  ancient.mtime_nsec = 5;

  const LayerTree tree = tree_of({null, setuid, ancient});

  EXPECT_EQ(at(tree, {"null"}).mode, S_IFCHR | 0666u);
  EXPECT_EQ(at(tree, {"null"}).rdev_major, 1u);
  EXPECT_EQ(at(tree, {"null"}).rdev_minor, 3u);
  EXPECT_EQ(at(tree, {"su"}).mode, S_IFREG | 06755u);
  EXPECT_EQ(at(tree, {"su"}).mtime_sec, 12);
  EXPECT_EQ(at(tree, {"su"}).mtime_nsec, 34u);
  EXPECT_EQ(at(tree, {"ancient"}).mtime_sec, 0);
  EXPECT_EQ(at(tree, {"ancient"}).mtime_nsec, 0u);
}

TEST(TreeBuilder, RefusesNamesAndOwnersThatLinuxHasNot) {
  TarEntry far = file("f");
  far.uid = 1ll << 32;

  EXPECT_EQ(refusal({file(std::string(256, 'x'))}).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(refusal({symlink("s", "")}).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(refusal({symlink("s", std::string(4096, 'x'))}).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(refusal({far}).code(), absl::StatusCode::kUnimplemented);
}

TEST(TreeBuilder, BoundsWhatALayerMakesItHold) {
  TreeBuilder builder(TreeBuilder::Limits{.tree_bytes = 100'000, .hole_bytes = 1000, .file_bytes = 5000});

  absl::Status status;
  int entries = 0;
  while (status.ok() && entries < 100'000) status = builder.add(file(str_cat("f", entries++))).status();

  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_LT(entries, 1000);
  EXPECT_TRUE(builder.add_hole(1000).ok());
  EXPECT_EQ(builder.add_hole(1).code(), absl::StatusCode::kUnimplemented);
  TreeBuilder other(TreeBuilder::Limits{.file_bytes = 5000});
  EXPECT_EQ(other.add(file("large", 5001)).status().code(), absl::StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace samara::convert
