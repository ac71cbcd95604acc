// What an index says of a layer against what tar, as root, makes of the same archive on disk. Needs root.
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <map>

#include "base/file.h"
#include "base/text.h"
#include "cache_index/hasher.h"
#include "cache_index/tar_stream.h"
#include "convert/converter.h"
#include "convert/file_stream.h"

namespace samara::convert {
namespace {

using cache_index::IndexReader;

/// Everything about a path that a process could see, as text: readable when it differs.
using Listing = std::map<std::string, std::string>;

struct Attributes {
  std::uint32_t mode = 0, uid = 0, gid = 0, nlink = 0;
  std::uint64_t size = 0;
  std::int64_t seconds = 0;
  std::uint32_t nanoseconds = 0, major = 0, minor = 0;
  std::string target, content;
  std::map<std::string, std::string> xattrs;
};

std::string describe(const Attributes& a) {
  char mode[16];
  std::snprintf(mode, sizeof mode, "%06o", a.mode);
  std::string text = str_cat(mode, " ", a.uid, ":", a.gid, " mtime ", a.seconds, ".", a.nanoseconds);
  if (!S_ISDIR(a.mode)) str_append(&text, " links ", a.nlink);
  if (S_ISREG(a.mode)) str_append(&text, " size ", a.size, " ", a.content);
  if (S_ISCHR(a.mode) || S_ISBLK(a.mode)) str_append(&text, " device ", a.major, ":", a.minor);
  if (S_ISLNK(a.mode)) str_append(&text, " -> ", a.target);
  for (const auto& [name, value] : a.xattrs) {
    str_append(&text, " ", name, "=", cache_index::sha256(as_bytes(value)).brief());
  }
  return text;
}

std::map<std::string, std::string> xattrs_on_disk(const std::string& path) {
  std::map<std::string, std::string> xattrs;
  std::string names(65536, '\0'), value(65536, '\0');
  const ssize_t size = ::llistxattr(path.c_str(), names.data(), names.size());
  for (ssize_t at = 0; at < size;) {
    const std::string name = names.data() + at;
    at += static_cast<ssize_t>(name.size()) + 1;
    const ssize_t length = ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
    if (length >= 0) xattrs[name] = value.substr(0, static_cast<std::size_t>(length));
  }
  return xattrs;
}

void list_disk(const std::string& root, const std::string& path, Listing& listing) {
  for (const auto& entry : std::filesystem::directory_iterator(root + path)) {
    const std::string name = path + "/" + entry.path().filename().string();
    struct stat st;
    ASSERT_EQ(::lstat((root + name).c_str(), &st), 0);
    Attributes a{.mode = st.st_mode, .uid = st.st_uid, .gid = st.st_gid, .nlink = static_cast<std::uint32_t>(st.st_nlink),
                 .size = static_cast<std::uint64_t>(st.st_size), .seconds = st.st_mtim.tv_sec,
                 .nanoseconds = static_cast<std::uint32_t>(st.st_mtim.tv_nsec),
                 .major = S_ISREG(st.st_mode) ? 0u : major(st.st_rdev), .minor = minor(st.st_rdev),
                 .target = {}, .content = {}, .xattrs = xattrs_on_disk(root + name)};
    if (S_ISLNK(st.st_mode)) a.target = std::filesystem::read_symlink(entry.path());
    if (S_ISREG(st.st_mode)) a.content = cache_index::sha256(as_bytes(read_file(root + name, 1u << 30).value())).brief();
    listing[name] = describe(a);
    if (S_ISDIR(st.st_mode)) list_disk(root, name, listing);
  }
}

/// A file's bytes out of the chunks that hold them.
std::string content(const IndexReader& index, const cache_index::ChunkSource& chunks, const cache_index::Inode& inode) {
  std::string bytes;
  std::uint64_t at = inode.data_offset;
  const std::uint64_t end = at + inode.size;
  while (at < end) {
    const auto chunk = index.chunk(index.chunk_at(at).value()).value();
    const std::string all = chunks(chunk).value();
    const std::uint64_t skip = at - chunk.stream_offset;
    bytes += all.substr(skip, std::min<std::uint64_t>(end - at, all.size() - skip));
    at = inode.data_offset + bytes.size();
  }
  return bytes;
}

void list_index(const IndexReader& index, const cache_index::ChunkSource& chunks, std::uint32_t directory,
                const std::string& path, Listing& listing) {
  const std::uint32_t count = index.entry_count(directory).value();
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto dirent = index.entry(directory, i).value();
    const auto inode = index.inode(dirent.inode).value();
    const std::string name = str_cat(path, "/", dirent.name);
    EXPECT_EQ(dirent.type, inode.mode & S_IFMT) << name;
    EXPECT_EQ(index.lookup(directory, dirent.name).value(), dirent.inode) << name;
    Attributes a{.mode = inode.mode, .uid = inode.uid, .gid = inode.gid, .nlink = inode.nlink, .size = inode.size,
                 .seconds = inode.mtime_sec, .nanoseconds = inode.mtime_nsec, .major = inode.rdev_major,
                 .minor = inode.rdev_minor, .target = {}, .content = {}, .xattrs = {}};
    const auto xattrs = index.xattrs(dirent.inode).value();
    for (const auto& [key, value] : xattrs) a.xattrs[std::string(key)] = value;
    if (S_ISLNK(inode.mode)) a.target = index.symlink_target(dirent.inode).value();
    if (S_ISREG(inode.mode)) a.content = cache_index::sha256(as_bytes(content(index, chunks, inode))).brief();
    listing[name] = describe(a);
    if (S_ISDIR(inode.mode)) list_index(index, chunks, dirent.inode, name, listing);
  }
}

class Oracle : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    ASSERT_TRUE(make_directories(path("tree")).ok());
    ASSERT_TRUE(make_directories(path("disk")).ok());
    ASSERT_TRUE(make_directories(path("layer")).ok());
  }

  std::string path(const std::string& name) const { return temporary_.path() + "/" + name; }

  void shell(const std::string& command) {
    ASSERT_EQ(std::system(("cd '" + path("tree") + "' && " + command).c_str()), 0) << command;
  }

  /// Every kind of file that a layer may hold.
  void make_tree() {
    shell("mkdir -p usr/bin usr/lib etc empty var/tmp dev && chmod 1777 var/tmp && chmod 0700 etc && chmod 2775 usr/lib");
    shell("head -c 5000000 /dev/urandom | base64 > usr/lib/big && head -c 4096 /dev/zero > usr/lib/zeros && : > etc/none");
    shell("printf '#!/bin/sh\\n' > usr/bin/su && chown 12:34 usr/bin/su && chmod 6755 usr/bin/su");
    shell("ln usr/lib/big usr/lib/hard && ln -s ../lib/big usr/bin/soft && ln -s /nowhere/$(printf 'x%.0s' $(seq 150)) dangling");
    shell("mknod dev/null c 1 3 && mknod dev/sda b 8 1 && mkfifo dev/pipe && chown 3000000:70000 dev/pipe");
    shell("long=$(printf 'n%.0s' $(seq 200)) && mkdir -p $long/$long && echo deep > $long/$long/$long");
    shell("printf 'caf\\303\\251' > 'caf\303\251' && printf bad > $(printf 'latin\\351') && echo s > 'a name with spaces'");
    shell("touch -d '2001-02-03 04:05:06.123456789 UTC' etc/none && touch -h -d '1999-01-01 00:00:00.5 UTC' dangling");
    shell("touch -d '2021-06-07 UTC' empty usr/bin");
  }
  void add_xattrs() {
    shell("setfattr -n user.note -v 'hello world' etc/none && setfattr -n user.binary -v 0x00ff0a usr/lib");
    shell("setfattr -n security.capability -v 0x0100000200040000000000000000000000000000 usr/bin/su");
  }
  void add_sparse() {
    shell("truncate -s 3M sparse && printf x | dd of=sparse bs=1 seek=1000000 conv=notrunc status=none && truncate -s 64K hole");
    // More pieces than a header holds.
    shell("for i in $(seq 0 2 60); do printf $i | dd of=pieces bs=1 seek=$((i*65536)) conv=notrunc status=none; done");
  }

  /// Archives the tree, converts the archive, extracts it, and compares.
  void expect_same(const std::string& options) {
    SCOPED_TRACE(options);
    shell("tar -c " + options + " -f ../layer.tar .");
    expect_archive_same();
  }

  void expect_archive_same(const std::string& options = "") {
    shell("rm -rf ../disk && mkdir ../disk");
    shell("tar -x -p --numeric-owner --same-owner --xattrs --xattrs-include='*' " + options + " -C ../disk -f ../layer.tar");
    ThreadPool pool("compress", 2);
    auto input = FileStream::open(path("layer.tar"));
    ASSERT_TRUE(input.ok()) << input.status();
    const auto converted = convert_layer(*input, path("layer"), std::nullopt, pool);
    ASSERT_TRUE(converted.ok()) << converted.status();

    const auto index = IndexReader::open(path("layer") + "/index").value();
    const Fd blob = open_file(path("layer") + "/blob", O_RDONLY).value();
    Listing on_disk, in_index;
    list_disk(path("disk"), "", on_disk);
    list_index(*index, cache_index::blob_file_source(blob.get()), cache_index::kRootInode, "", in_index);

    EXPECT_FALSE(on_disk.empty());
    for (const auto& [name, attributes] : on_disk) EXPECT_EQ(in_index[name], attributes) << name;
    for (const auto& [name, attributes] : in_index) EXPECT_EQ(on_disk[name], attributes) << name;
  }

  TempDir temporary_ = TempDir::create("oracle").value();
};

TEST_F(Oracle, AgreesOnGnuArchives) {
  make_tree();
  expect_same("--format=gnu");
}

TEST_F(Oracle, AgreesOnPaxArchives) {
  make_tree();
  add_xattrs();
  expect_same("--format=posix --xattrs --xattrs-include='*'");
}

TEST_F(Oracle, AgreesOnUstarArchives) {
  make_tree();
  shell("rm -rf nnn* dangling dev/pipe latin*");
  expect_same("--format=ustar");
}

TEST_F(Oracle, AgreesOnV7Archives) {
  make_tree();
  shell("rm -rf nnn* dangling dev latin*");
  expect_same("--format=v7");
}

TEST_F(Oracle, AgreesOnSparseFilesInEveryFormat) {
  add_sparse();
  expect_same("--sparse --format=gnu");
  expect_same("--sparse --format=posix --sparse-version=0.0");
  expect_same("--sparse --format=posix --sparse-version=0.1");
  expect_same("--sparse --format=posix --sparse-version=1.0");
}

TEST_F(Oracle, AgreesWhenEntriesComeTwice) {
  shell("mkdir d && echo one > d/f && echo other > g");
  shell("tar -c -f ../layer.tar . && echo two > d/f && chmod 700 d && rm g && ln -s d g && tar -r --no-recursion -f ../layer.tar d d/f g");
  expect_archive_same();
}

TEST_F(Oracle, AgreesOnPythonsArchives) {
  make_tree();
  for (const char* format : {"GNU_FORMAT", "PAX_FORMAT"}) {
    SCOPED_TRACE(format);
    shell(str_cat("python3 -c 'import tarfile; t = tarfile.open(\"../layer.tar\", \"w\", format=tarfile.", format,
                  ", errors=\"surrogateescape\"); t.add(\".\"); t.close()'"));
    expect_archive_same();
  }
}

TEST_F(Oracle, AgreesOnARealDirectory) {
  shell("tar -c --format=posix --xattrs --xattrs-include='*' -f ../layer.tar -C / --no-recursion usr usr/share"
        " --recursion etc usr/sbin usr/share/zoneinfo");
  expect_archive_same("--delay-directory-restore");
}

}  // namespace
}  // namespace samara::convert
