#include "directory_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/fuse.h>

#include <cstring>

#include "attributes.h"
#include "entry.h"
#include "test_layer.h"

namespace samara::fuse_fs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Entry {
  std::string name;
  std::uint64_t number = 0, next = 0, node = 0;
  std::uint32_t type = 0;
};

/// The kernel's half: takes a page apart. Source: fuse_dirent and fuse_direntplus of linux/fuse.h.
std::vector<Entry> parse(const std::string& page, Detail detail) {
  std::vector<Entry> entries;
  for (std::size_t at = 0; at < page.size();) {
    Entry entry;
    std::size_t header = 0;
    if (detail == Detail::kAttributes) {
      fuse_entry_out attributes;
      std::memcpy(&attributes, page.data() + at, sizeof attributes);
      entry.node = attributes.nodeid;
      header = sizeof attributes;
    }
    fuse_dirent dirent;
    std::memcpy(&dirent, page.data() + at + header, FUSE_NAME_OFFSET);
    entry.name.assign(page, at + header + FUSE_NAME_OFFSET, dirent.namelen);
    entry.number = dirent.ino;
    entry.next = dirent.off;
    entry.type = dirent.type << 12;
    entries.push_back(entry);
    at += FUSE_DIRENT_ALIGN(header + FUSE_NAME_OFFSET + dirent.namelen);
  }
  return entries;
}

std::vector<std::string> names(const std::vector<Entry>& entries) {
  std::vector<std::string> names;
  for (const Entry& entry : entries) names.push_back(entry.name);
  return names;
}

/// Reads a directory to its end in pages of `size` bytes, as the kernel does.
std::vector<Entry> read_all(const cache_index::IndexReader& layer, NodeId directory, std::size_t size, Detail detail) {
  std::vector<Entry> all;
  for (std::uint64_t offset = 0;;) {
    const auto page = read_directory(layer, directory, offset, size, detail);
    EXPECT_TRUE(page.ok()) << page.status();
    if (!page.ok() || page->bytes.empty()) return all;
    for (Entry& entry : parse(page->bytes, detail)) all.push_back(std::move(entry));
    offset = all.back().next;
  }
}

TEST(DirectoryPage, HoldsEntriesWithTheirTypes) {
  TestLayer layer;
  layer.directory("dir");
  layer.file("file", "x");
  layer.symlink("link", "file");
  layer.whiteout("gone");
  const auto index = layer.build();

  const auto page = read_directory(*index, {4, 1}, 0, 4096, Detail::kNames);

  ASSERT_TRUE(page.ok()) << page.status();
  const auto entries = parse(page->bytes, Detail::kNames);
  EXPECT_THAT(names(entries), ElementsAre(".", "..", "dir", "file", "gone", "link"));
  EXPECT_EQ(entries[0].number, to_number({4, 1}));
  EXPECT_EQ(entries[1].number, kMountRoot);
  EXPECT_EQ(entries[2].type, unsigned{S_IFDIR});
  EXPECT_EQ(entries[3].type, unsigned{S_IFREG});
  EXPECT_EQ(entries[4].type, unsigned{S_IFCHR});
  EXPECT_EQ(entries[5].type, unsigned{S_IFLNK});
  EXPECT_THAT(page->looked_up, IsEmpty());
}

TEST(DirectoryPage, CountsTheNodesWhoseAttributesItGives) {
  TestLayer layer;
  layer.directory("sub");
  layer.file("sub/a", "x");
  layer.file("sub/b", "y");
  const auto index = layer.build();
  const std::uint32_t sub = index->lookup(1, "sub").value();

  const auto page = read_directory(*index, {4, sub}, 0, 4096, Detail::kAttributes);

  ASSERT_TRUE(page.ok()) << page.status();
  const auto entries = parse(page->bytes, Detail::kAttributes);
  EXPECT_THAT(names(entries), ElementsAre(".", "..", "a", "b"));
  EXPECT_EQ(entries[0].node, 0u);
  EXPECT_EQ(entries[1].number, to_number({4, 1}));
  EXPECT_EQ(entries[2].node, to_number({4, index->lookup(sub, "a").value()}));
  EXPECT_THAT(page->looked_up, ElementsAre(4, 4));
}

TEST(DirectoryPage, ContinuesWhereTheLastOneEnded) {
  TestLayer layer;
  std::vector<std::string> expected = {".", ".."};
  for (int i = 1000; i < 1500; ++i) {
    layer.file(std::to_string(i), "");
    expected.push_back(std::to_string(i));
  }
  const auto index = layer.build();

  EXPECT_EQ(names(read_all(*index, {0, 1}, 512, Detail::kNames)), expected);
  EXPECT_EQ(names(read_all(*index, {0, 1}, 4096, Detail::kAttributes)), expected);
}

TEST(DirectoryPage, IsEmptyBehindTheEnd) {
  TestLayer layer;
  layer.file("a", "");
  const auto index = layer.build();

  EXPECT_THAT(read_directory(*index, {0, 1}, 3, 4096, Detail::kNames)->bytes, IsEmpty());
  EXPECT_THAT(read_directory(*index, {0, 1}, ~0ull, 4096, Detail::kNames)->bytes, IsEmpty());
}

TEST(DirectoryPage, IsAnErrorForWhatIsNoDirectory) {
  TestLayer layer;
  layer.file("a", "");
  const auto index = layer.build();

  EXPECT_FALSE(read_directory(*index, {0, index->lookup(1, "a").value()}, 0, 4096, Detail::kNames).ok());
  EXPECT_FALSE(read_directory(*index, {0, 999}, 0, 4096, Detail::kNames).ok());
}

TEST(MountRoot, ListsSlotsAtOffsetsThatDontMove) {
  SlotTable slots;
  TestLayer layer;
  const auto index = layer.build();
  for (const std::uint32_t slot : {1u, 5u, 10u}) ASSERT_TRUE(slots.attach(slot, index).ok());

  const auto first = parse(read_mount_root(slots, 0, 4096, Detail::kNames).bytes, Detail::kNames);
  ASSERT_TRUE(slots.detach(1).ok());
  const auto rest = parse(read_mount_root(slots, first[3].next, 4096, Detail::kAttributes).bytes, Detail::kAttributes);

  EXPECT_THAT(names(first), ElementsAre(".", "..", "1", "5", "10"));
  EXPECT_THAT(names(rest), ElementsAre("10"));
  EXPECT_EQ(rest[0].node, to_number({10, 1}));
}

TEST(EntryName, IsWhatTheKernelTakes) {
  EXPECT_TRUE(is_entry_name("..."));
  EXPECT_TRUE(is_entry_name(std::string(255, 'a')));
  EXPECT_FALSE(is_entry_name(""));
  EXPECT_FALSE(is_entry_name("."));
  EXPECT_FALSE(is_entry_name(".."));
  EXPECT_FALSE(is_entry_name("a/b"));
  EXPECT_FALSE(is_entry_name(std::string_view("a\0b", 3)));
  EXPECT_FALSE(is_entry_name(std::string(256, 'a')));
}

}  // namespace
}  // namespace samara::fuse_fs
