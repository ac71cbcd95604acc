// What a layer's tree looks like through the mount.
#include <dirent.h>
#include <gmock/gmock.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include <map>
#include <set>
#include <vector>

#include "mount_fixture.h"
#include "node_id.h"

namespace samara::fuse_fs {
namespace {


using testing::Pair;
using testing::UnorderedElementsAre;

/// Names and types of a directory, with getdents64 and a buffer of `size` bytes.
std::vector<std::pair<std::string, unsigned char>> list(const std::string& path, std::size_t size = 32768) {
  std::vector<std::pair<std::string, unsigned char>> entries;
  const Fd directory = open_file(path, O_RDONLY | O_DIRECTORY).value();
  std::vector<char> buffer(size);
  for (long got; (got = ::syscall(SYS_getdents64, directory.get(), buffer.data(), buffer.size())) > 0;) {
    for (long at = 0; at < got;) {
      const auto* entry = reinterpret_cast<const dirent64*>(buffer.data() + at);
      const std::string name = entry->d_name;
      if (name != "." && name != "..") entries.emplace_back(name, entry->d_type);
      at += entry->d_reclen;
    }
  }
  return entries;
}

std::optional<std::string> xattr(const std::string& path, const char* name) {
  char value[256];
  const ssize_t size = ::lgetxattr(path.c_str(), name, value, sizeof value);
  if (size < 0) return std::nullopt;
  return std::string(value, static_cast<std::size_t>(size));
}

class Walk : public MountTest {};

TEST_F(Walk, ShowsEveryKindOfNodeWithItsAttributes) {
  layer_.directory("dir").mode = S_IFDIR | 01777;
  auto& file = layer_.file("dir/tool", "#!/bin/sh\n");
  file.mode = S_IFREG | 04755;
  file.uid = 1234;
  file.gid = 4'000'000'000;
  file.mtime_sec = -12345;
  file.mtime_nsec = 987'654'321;
  layer_.symlink("dir/link", "../somewhere/else");
  layer_.device("null", S_IFCHR, 1, 3);
  layer_.device("disk", S_IFBLK, 259, 70000);
  layer_.device("pipe", S_IFIFO, 0, 0);
  layer_.device("socket", S_IFSOCK, 0, 0);
  const std::string root = mount_layer();

  EXPECT_EQ(stat_of(root + "/dir").st_mode, S_IFDIR | 01777u);
  const struct stat tool = stat_of(root + "/dir/tool");
  EXPECT_EQ(tool.st_mode, S_IFREG | 04755u);
  EXPECT_EQ(tool.st_uid, 1234u);
  EXPECT_EQ(tool.st_gid, 4'000'000'000u);
  EXPECT_EQ(tool.st_size, 10);
  EXPECT_EQ(tool.st_mtim.tv_sec, -12345);
  EXPECT_EQ(tool.st_mtim.tv_nsec, 987'654'321);
  char target[64] = {};
  EXPECT_EQ(::readlink((root + "/dir/link").c_str(), target, sizeof target), 17);
  EXPECT_STREQ(target, "../somewhere/else");
  EXPECT_EQ(stat_of(root + "/dir/link").st_size, 17);
  EXPECT_EQ(stat_of(root + "/null").st_rdev, makedev(1, 3));
  EXPECT_EQ(stat_of(root + "/disk").st_rdev, makedev(259, 70000));
  EXPECT_TRUE(S_ISFIFO(stat_of(root + "/pipe").st_mode));
  EXPECT_TRUE(S_ISSOCK(stat_of(root + "/socket").st_mode));
}

TEST_F(Walk, GivesHardLinksOneInode) {
  layer_.directory("a");
  layer_.file("a/one", "same");
  layer_.hard_link("two", "a/one");
  const std::string root = mount_layer();

  const struct stat one = stat_of(root + "/a/one"), two = stat_of(root + "/two");

  EXPECT_EQ(one.st_ino, two.st_ino);
  EXPECT_EQ(one.st_nlink, 2u);
  EXPECT_EQ(two.st_nlink, 2u);
}

TEST_F(Walk, TellsTypesInReaddir) {
  layer_.directory("dir");
  layer_.file("file", "x");
  layer_.symlink("link", "file");
  layer_.whiteout("gone");
  layer_.device("pipe", S_IFIFO, 0, 0);
  const std::string root = mount_layer();

  EXPECT_THAT(list(root), UnorderedElementsAre(Pair("dir", DT_DIR), Pair("file", DT_REG), Pair("link", DT_LNK),
                                               Pair("gone", DT_CHR), Pair("pipe", DT_FIFO)));
  EXPECT_EQ(stat_of(root + "/gone").st_rdev, makedev(0, 0));
}

TEST_F(Walk, GivesExtendedAttributes) {
  const std::string capability("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);  // cap_net_bind_service=ep
  layer_.file("tool", "x").xattrs = {
      {"security.capability", capability}, {"user.note", "hello"}, {"user.empty", ""}};
  layer_.directory("dir").xattrs = {{"trusted.overlay.opaque", "y"}};
  layer_.file("plain", "x");
  const std::string root = mount_layer();

  EXPECT_EQ(xattr(root + "/tool", "user.note"), "hello");
  EXPECT_EQ(xattr(root + "/tool", "user.empty"), "");
  EXPECT_EQ(xattr(root + "/tool", "security.capability"), capability);
  EXPECT_EQ(xattr(root + "/dir", "trusted.overlay.opaque"), "y");
  EXPECT_EQ(xattr(root + "/plain", "user.note"), std::nullopt);
  EXPECT_EQ(errno, ENODATA);
  char names[256];
  const ssize_t size = ::llistxattr((root + "/tool").c_str(), names, sizeof names);
  EXPECT_EQ(std::string(names, static_cast<std::size_t>(std::max<ssize_t>(size, 0))),
            std::string("security.capability\0user.empty\0user.note\0", 41));
  char small[2];
  EXPECT_EQ(::lgetxattr((root + "/tool").c_str(), "user.note", small, sizeof small), -1);
  EXPECT_EQ(errno, ERANGE);
}

TEST_F(Walk, IsAskedOnceForAttributesWhereNoFileHasAny) {
  layer_.file("a", "x");
  layer_.file("b", "x");
  const std::string root = mount_layer();

  for (const char* name : {"/a", "/b", "/a"}) {
    EXPECT_EQ(xattr(root + name, "security.capability"), std::nullopt);
    EXPECT_EQ(errno, EOPNOTSUPP);
    char names[16];
    EXPECT_EQ(::llistxattr((root + name).c_str(), names, sizeof names), 0);
  }

  EXPECT_EQ(operations("getxattr"), 1);
}

TEST_F(Walk, ListsABigDirectoryOnceWhateverTheBuffer) {
  std::set<std::string> expected;
  layer_.directory("big");
  for (int i = 0; i < 10'000; ++i) {
    const std::string tail(static_cast<std::size_t>(i % 60), 'x');
    const std::string name = "entry-" + std::to_string(i * 7919 % 10'000) + tail;
    layer_.file("big/" + name, "");
    expected.insert(name);
  }
  const std::string root = mount_layer();

  for (const std::size_t buffer : {1024, 4096, 1 << 20}) {
    const auto entries = list(root + "/big", buffer);
    std::set<std::string> names;
    for (const auto& entry : entries) names.insert(entry.first);

    EXPECT_EQ(entries.size(), expected.size());
    EXPECT_EQ(names, expected);
  }
}

TEST_F(Walk, ComesBackToAPlaceInADirectory) {
  layer_.directory("big");
  for (int i = 0; i < 2000; ++i) layer_.file("big/" + std::to_string(10'000 + i), "");
  const std::string root = mount_layer();
  DIR* const directory = ::opendir((root + "/big").c_str());
  ASSERT_NE(directory, nullptr);

  for (int i = 0; i < 1000; ++i) ASSERT_NE(::readdir(directory), nullptr);
  const long place = ::telldir(directory);
  const std::string name = ::readdir(directory)->d_name;
  while (::readdir(directory) != nullptr) {
  }
  ::seekdir(directory, place);

  EXPECT_EQ(::readdir(directory)->d_name, name);
  ::closedir(directory);
}

TEST_F(Walk, AsksForNothingTwice) {
  layer_.directory("dir");
  layer_.file("dir/file", "x");
  layer_.symlink("dir/link", "file");
  const std::string root = mount_layer();
  const auto look = [&] {
    // Relative to the layer: its own name is asked for each time.
    const Fd top = open_file(root, O_PATH | O_DIRECTORY).value();
    struct stat out;
    EXPECT_EQ(::fstatat(top.get(), "dir/file", &out, 0), 0);
    EXPECT_EQ(::fstatat(top.get(), "dir/absent", &out, 0), -1);
    EXPECT_EQ(::fstatat(top.get(), "dir/link", &out, 0), 0);
    EXPECT_EQ(list(root + "/dir").size(), 2u);
    EXPECT_EQ(content_of(root + "/dir/file"), "x");
  };
  look();
  const auto counts = [&] {
    return std::map<std::string, double>{{"readdir", operations("readdir")},   {"readlink", operations("readlink")},
                                         {"read", operations("read")},         {"open", operations("open")},
                                         {"opendir", operations("opendir")}};
  };
  const auto before = counts();
  EXPECT_EQ(before.at("open"), 1);
  EXPECT_EQ(before.at("opendir"), 1);
  const double lookups = operations("lookup");

  look();

  EXPECT_EQ(counts(), before);
  EXPECT_LE(operations("lookup") - lookups, 4);  // of the layer's own name
}

TEST_F(Walk, IsReadOnly) {
  layer_.file("file", "x");
  const std::string root = mount_layer();

  EXPECT_EQ(::open((root + "/file").c_str(), O_WRONLY), -1);
  EXPECT_EQ(errno, EROFS);
  EXPECT_EQ(::mkdir((root + "/new").c_str(), 0755), -1);
  EXPECT_EQ(errno, EROFS);
}

TEST_F(Walk, ChecksPermissions) {
  layer_.directory("open");
  layer_.file("open/secret", "x").mode = S_IFREG | 0600;
  layer_.file("open/public", "y").mode = S_IFREG | 0644;
  const std::string root = mount_layer();
  ASSERT_EQ(::chmod(dir_.path().c_str(), 0755), 0);

  const pid_t child = ::fork();
  if (child == 0) {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) ::_exit(9);
    const bool public_opens = ::open((root + "/open/public").c_str(), O_RDONLY) >= 0;
    const bool secret_refused = ::open((root + "/open/secret").c_str(), O_RDONLY) < 0 && errno == EACCES;
    ::_exit(public_opens && secret_refused ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);

  EXPECT_EQ(status, 0);
}

TEST_F(Walk, LetsDevicesAndSetUserIdBitsWork) {
  layer_.device("zero", S_IFCHR, 1, 5).mode = S_IFCHR | 0666;
  const std::string root = mount_layer();

  const auto zero = open_file(root + "/zero", O_RDONLY);
  ASSERT_TRUE(zero.ok()) << zero.status();
  char byte = 'x';
  EXPECT_EQ(::read(zero->get(), &byte, 1), 1);
  EXPECT_EQ(byte, '\0');
  struct statvfs out;
  ASSERT_EQ(::statvfs(root.c_str(), &out), 0);
  EXPECT_EQ(out.f_flag & (ST_NOSUID | ST_NODEV), 0u);
  EXPECT_NE(out.f_flag & ST_RDONLY, 0u);
  EXPECT_EQ(out.f_namemax, 255u);
}

TEST_F(Walk, OpensNodesByHandle) {
  layer_.directory("dir");
  layer_.file("dir/file", "found again");
  const std::string root = mount_layer();
  struct {
    file_handle handle;
    char bytes[MAX_HANDLE_SZ];
  } name{};
  name.handle.handle_bytes = MAX_HANDLE_SZ;
  int mount_id = 0;
  ASSERT_EQ(::name_to_handle_at(AT_FDCWD, (root + "/dir/file").c_str(), &name.handle, &mount_id, 0), 0);
  const Fd top = open_file(root, O_RDONLY | O_DIRECTORY).value();

  const Fd opened(::open_by_handle_at(top.get(), &name.handle, O_RDONLY));

  ASSERT_TRUE(opened.valid()) << std::strerror(errno);
  char text[32] = {};
  EXPECT_EQ(::pread(opened.get(), text, sizeof text, 0), 11);
  EXPECT_STREQ(text, "found again");
}

TEST_F(Walk, ReadsOneMebibyteAhead) {
  mount_layer();
  const struct stat root = stat_of(mountpoint());

  const auto read_ahead = read_file("/sys/class/bdi/" + std::to_string(major(root.st_dev)) + ":" +
                                    std::to_string(minor(root.st_dev)) + "/read_ahead_kb");

  ASSERT_TRUE(read_ahead.ok()) << read_ahead.status();
  EXPECT_EQ(*read_ahead, "1024\n");
}

}  // namespace
}  // namespace samara::fuse_fs
