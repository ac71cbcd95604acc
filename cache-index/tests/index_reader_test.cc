#include "cache_index/index_reader.h"

#include <algorithm>

#include "base/text.h"
#include "cache_index/chunk.h"
#include "layer_fixture.h"

namespace samara::cache_index {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

std::vector<std::string> names_in(const IndexReader& index, std::uint32_t directory) {
  std::vector<std::string> names;
  for (std::uint32_t i = 0; i < index.entry_count(directory).value(); ++i) {
    names.emplace_back(index.entry(directory, i).value().name);
  }
  return names;
}

using IndexReaderTest = LayerTest;

TEST_F(IndexReaderTest, TellsEveryAttribute) {
  const SampleLayer layer = write({{.path = "f",
                                    .mode = S_IFREG | S_ISUID | 0751,
                                    .content = "12345",
                                    .uid = 1000,
                                    .gid = 4'000'000'000,
                                    .mtime_sec = -5,
                                    .mtime_nsec = 999'999'999}});

  const Inode inode = inode_at(layer, "f");

  EXPECT_EQ(inode.mode, S_IFREG | S_ISUID | 0751u);
  EXPECT_EQ(inode.uid, 1000);
  EXPECT_EQ(inode.gid, 4'000'000'000);
  EXPECT_EQ(inode.size, 5);
  EXPECT_EQ(inode.mtime_sec, -5);
  EXPECT_EQ(inode.mtime_nsec, 999'999'999);
  EXPECT_EQ(inode.nlink, 1);
  EXPECT_EQ(inode.data_offset % kStreamAlignment, 0);
  EXPECT_FALSE(inode.implied);
}

TEST_F(IndexReaderTest, TellsSpecialFiles) {
  const SampleLayer layer = write({{.path = "null", .mode = S_IFCHR | 0666, .rdev_major = 1, .rdev_minor = 3},
                                   {.path = "disk", .mode = S_IFBLK | 0660, .rdev_major = 259, .rdev_minor = 1'048'575},
                                   {.path = "whiteout", .mode = S_IFCHR},
                                   {.path = "pipe", .mode = S_IFIFO | 0600},
                                   {.path = "socket", .mode = S_IFSOCK | 0600}});

  EXPECT_EQ(inode_at(layer, "null").rdev_major, 1);
  EXPECT_EQ(inode_at(layer, "null").rdev_minor, 3);
  EXPECT_EQ(inode_at(layer, "disk").rdev_minor, 1'048'575);
  EXPECT_EQ(inode_at(layer, "whiteout").rdev_major, 0);
  EXPECT_EQ(layer.index->entry(kRootInode, 4).value().type, S_IFCHR);
  EXPECT_EQ(inode_at(layer, "pipe").mode, S_IFIFO | 0600u);
  EXPECT_EQ(inode_at(layer, "socket").mode, S_IFSOCK | 0600u);
}

TEST_F(IndexReaderTest, TellsSymbolicLinks) {
  const std::string far(4095, 'x');
  const SampleLayer layer = write({{.path = "near", .mode = S_IFLNK | 0777, .content = "../lib"},
                                   {.path = "far", .mode = S_IFLNK | 0777, .content = far},
                                   {.path = "file", .content = "x"}});
  const auto number = [&](std::string_view path) { return find_path(*layer.index, path).value(); };

  EXPECT_EQ(layer.index->symlink_target(number("near")).value(), "../lib");
  EXPECT_EQ(inode_at(layer, "near").size, 6);
  EXPECT_EQ(layer.index->symlink_target(number("far")).value(), far);
  EXPECT_TRUE(absl::IsFailedPrecondition(layer.index->symlink_target(number("file")).status()));
}

TEST_F(IndexReaderTest, GivesHardLinksOneInode) {
  const SampleLayer layer = write({{.path = "bin/a", .content = "same"},
                                   {.path = "bin/b", .hard_link_to = "bin/a"},
                                   {.path = "lib/c", .hard_link_to = "bin/a"}});

  EXPECT_EQ(find_path(*layer.index, "bin/a").value(), find_path(*layer.index, "lib/c").value());
  EXPECT_EQ(inode_at(layer, "bin/b").nlink, 3);
  EXPECT_EQ(read_sample_file(layer, "lib/c").value(), "same");
  EXPECT_EQ(layer.index->info().inode_count, 4);
}

TEST_F(IndexReaderTest, CountsADirectorysLinks) {
  const SampleLayer layer = write({{.path = "d/x", .mode = S_IFDIR | 0755},
                                   {.path = "d/y", .mode = S_IFDIR | 0755},
                                   {.path = "d/file", .content = "x"}});

  EXPECT_EQ(inode_at(layer, "").nlink, 3);
  EXPECT_EQ(inode_at(layer, "d").nlink, 4);
  EXPECT_EQ(inode_at(layer, "d/x").nlink, 2);
}

TEST_F(IndexReaderTest, RemembersDirectoriesThatNobodyNamed) {
  const SampleLayer layer = write({{.path = "", .mode = S_IFDIR | 0700},
                                   {.path = "implied/named", .mode = S_IFDIR | 0711}});

  EXPECT_FALSE(inode_at(layer, "").implied);
  EXPECT_EQ(inode_at(layer, "").mode, S_IFDIR | 0700u);
  EXPECT_TRUE(inode_at(layer, "implied").implied);
  EXPECT_FALSE(inode_at(layer, "implied/named").implied);
}

TEST_F(IndexReaderTest, KnowsParents) {
  const SampleLayer layer = write({{.path = "a/b/c", .mode = S_IFDIR | 0755}, {.path = "file"}});
  const auto number = [&](std::string_view path) { return find_path(*layer.index, path).value(); };

  EXPECT_EQ(layer.index->parent(number("a/b/c")).value(), number("a/b"));
  EXPECT_EQ(layer.index->parent(number("a")).value(), kRootInode);
  EXPECT_EQ(layer.index->parent(kRootInode).value(), kRootInode);
  EXPECT_TRUE(absl::IsFailedPrecondition(layer.index->parent(number("file")).status()));
}

TEST_F(IndexReaderTest, SortsNamesAsBytesAndTakesAnyBytes) {
  const std::string longest(255, 'n');
  const SampleLayer layer = write({{.path = "\xff\xfe not UTF-8"},
                                   {.path = "b"},
                                   {.path = "B"},
                                   {.path = longest},
                                   {.path = "a\nb"},
                                   {.path = "a"},
                                   {.path = "ab"}});

  EXPECT_THAT(names_in(*layer.index, kRootInode),
              ElementsAre("B", "a", "a\nb", "ab", "b", longest, "\xff\xfe not UTF-8"));
  EXPECT_TRUE(find_path(*layer.index, "\xff\xfe not UTF-8").ok());
}

TEST_F(IndexReaderTest, SaysNotFoundForWhatIsNotThere) {
  const SampleLayer layer = write({{.path = "b"}, {.path = "d"}});

  for (const std::string_view name : {"", "a", "bb", "c", "e", ".", ".."}) {
    EXPECT_TRUE(absl::IsNotFound(layer.index->lookup(kRootInode, name).status())) << name;
  }
  EXPECT_TRUE(absl::IsNotFound(layer.index->inode(0).status()));
  EXPECT_TRUE(absl::IsNotFound(layer.index->inode(4).status()));
  EXPECT_TRUE(absl::IsNotFound(layer.index->entry(kRootInode, 2).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(layer.index->lookup(2, "x").status()));
  EXPECT_TRUE(absl::IsNotFound(layer.index->chunk(0).status()));
  EXPECT_TRUE(absl::IsOutOfRange(layer.index->chunk_at(0).status()));
}

TEST_F(IndexReaderTest, KeepsXattrsAndSharesEqualSets) {
  const std::map<std::string, std::string> set = {{"security.capability", std::string("\1\0\0\2", 4)},
                                                  {"user.empty", ""}};
  std::vector<SampleEntry> entries = {{.path = "plain"}};
  for (int i = 0; i < 1000; ++i) entries.push_back({.path = str_cat("x", i), .xattrs = set});
  const SampleLayer layer = write(entries);
  std::vector<SampleEntry> without = entries;
  for (SampleEntry& entry : without) entry.xattrs.clear();
  const SampleLayer bare = write(without);

  EXPECT_THAT(layer.index->xattrs(find_path(*layer.index, "x999").value()).value(),
              ElementsAre(Pair("security.capability", std::string_view("\1\0\0\2", 4)), Pair("user.empty", "")));
  EXPECT_THAT(layer.index->xattrs(find_path(*layer.index, "plain").value()).value(), IsEmpty());
  EXPECT_LT(layer.written.index_size, bare.written.index_size + 200);
  EXPECT_TRUE(layer.index->has_xattrs());
  EXPECT_FALSE(bare.index->has_xattrs());
}

TEST_F(IndexReaderTest, NumbersInodesInTheOrderOfAWalk) {
  const SampleLayer layer =
      write({{.path = "b/y"}, {.path = "a/x/1"}, {.path = "b/x"}, {.path = "c"}, {.path = "a/y"}});
  const auto number = [&](std::string_view path) { return find_path(*layer.index, path).value(); };

  std::vector<std::uint32_t> numbers;
  for (const auto path : {"", "a", "b", "c", "a/x", "a/y", "b/x", "b/y", "a/x/1"}) numbers.push_back(number(path));
  EXPECT_THAT(numbers, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9));
}

TEST_F(IndexReaderTest, HoldsADeepTree) {
  std::string path;
  for (int depth = 0; depth < 2000; ++depth) path += "d/";
  const SampleLayer layer = write({{.path = path + "leaf", .content = "deep"}});

  EXPECT_EQ(read_sample_file(layer, path + "leaf").value(), "deep");
}

TEST_F(IndexReaderTest, HoldsAHundredThousandEntriesInOneDirectory) {
  std::vector<SampleEntry> entries(100'000);
  for (std::size_t i = 0; i < entries.size(); ++i) entries[i].path = str_cat("d/file", i * 7919 % entries.size());

  const SampleLayer layer = write(entries);

  const std::uint32_t directory = find_path(*layer.index, "d").value();
  ASSERT_EQ(layer.index->entry_count(directory).value(), entries.size());
  const std::vector<std::string> names = names_in(*layer.index, directory);
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  for (std::uint32_t i = 0; i < names.size(); ++i) {
    ASSERT_EQ(layer.index->lookup(directory, names[i]).value(), layer.index->entry(directory, i).value().inode);
  }
}

TEST_F(IndexReaderTest, FindsTheChunkOfEveryOffset) {
  const SampleLayer layer = write({{.path = "f", .content = sample_bytes(1, 4'000'000)}});

  for (std::uint64_t offset = 0; offset < layer.index->info().stream_size; offset += 997) {
    const Chunk chunk = layer.index->chunk(layer.index->chunk_at(offset).value()).value();
    ASSERT_LE(chunk.stream_offset, offset);
    ASSERT_LT(offset, chunk.stream_range().end);
  }
}

TEST_F(IndexReaderTest, SaysWhatIsNoIndex) {
  const std::string directory = new_directory();
  ASSERT_TRUE(write_file_atomic(directory + "/empty", "").ok());
  ASSERT_TRUE(write_file_atomic(directory + "/text", "#!/bin/sh\n").ok());

  EXPECT_TRUE(absl::IsDataLoss(IndexReader::open(directory + "/empty").status()));
  EXPECT_TRUE(absl::IsDataLoss(IndexReader::open(directory + "/text").status()));
  EXPECT_TRUE(absl::IsNotFound(IndexReader::open(directory + "/missing").status()));
}

TEST_F(IndexReaderTest, SaysThatANewerFormatIsNewer) {
  const SampleLayer layer = write({});
  std::string bytes = read_file(layer.index_path).value();
  bytes[8] = 2;

  const auto reader = IndexReader::view(as_bytes(bytes));

  EXPECT_TRUE(absl::IsUnimplemented(reader.status())) << reader.status();
}

}  // namespace
}  // namespace samara::cache_index
