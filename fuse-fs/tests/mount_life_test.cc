// Layers and mounts that come and go, and overlays on top.
#include <dirent.h>
#include <gmock/gmock.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <set>
#include <thread>

#include "mount_fixture.h"
#include "mount_table.h"

namespace samara::fuse_fs {
namespace {

using testing::UnorderedElementsAre;

std::set<std::string> names_in(const std::string& path) {
  std::set<std::string> names;
  DIR* const directory = ::opendir(path.c_str());
  EXPECT_NE(directory, nullptr) << path << ": " << std::strerror(errno);
  if (directory == nullptr) return names;
  while (const dirent* const entry = ::readdir(directory)) names.insert(entry->d_name);
  ::closedir(directory);
  names.erase(".");
  names.erase("..");
  return names;
}

/// Mounts an overlay and takes it off at the end.
class Overlay {
 public:
  Overlay(std::string at, const std::string& options) : at_(std::move(at)) {
    EXPECT_TRUE(make_directories(at_).ok());
    EXPECT_EQ(::mount("overlay", at_.c_str(), "overlay", 0, options.c_str()), 0) << std::strerror(errno);
  }
  ~Overlay() { ::umount2(at_.c_str(), MNT_DETACH); }

 private:
  const std::string at_;
};

class Slots : public MountTest {};
class Mounting : public MountTest {};
class OverlayOnTop : public MountTest {};

TEST_F(Slots, AppearAndDisappear) {
  layer_.file("file", "content");
  LazyMount& mount = this->mount();
  const auto index = layer_.build();
  EXPECT_EQ(lookup_error(mount.path(3)), ENOENT);
  EXPECT_THAT(names_in(mountpoint()), UnorderedElementsAre());

  EXPECT_EQ(mount.attach(3, index).value(), mountpoint() + "/3");
  EXPECT_EQ(content_of(mount.path(3) + "/file"), "content");
  EXPECT_THAT(names_in(mountpoint()), UnorderedElementsAre("3"));

  EXPECT_TRUE(mount.attach(12, index).ok());
  EXPECT_THAT(names_in(mountpoint()), UnorderedElementsAre("3", "12"));
  EXPECT_EQ(lookup_error(mountpoint() + "/012"), ENOENT);
  EXPECT_EQ(lookup_error(mountpoint() + "/+12"), ENOENT);

  EXPECT_TRUE(mount.detach(3).ok());
  EXPECT_EQ(lookup_error(mount.path(3)), ENOENT);
  EXPECT_THAT(names_in(mountpoint()), UnorderedElementsAre("12"));
  EXPECT_TRUE(absl::IsNotFound(mount.detach(3)));

  EXPECT_TRUE(mount.attach(3, index).ok());
  EXPECT_EQ(content_of(mount.path(3) + "/file"), "content");
}

TEST_F(Slots, HoldLayersWithAndWithoutAttributes) {
  TestLayer with;
  with.file("file", "with").xattrs = {{"user.a", "1"}};
  layer_.file("file", "without");
  LazyMount& mount = this->mount();

  ASSERT_TRUE(mount.attach(1, layer_.build()).ok());
  ASSERT_TRUE(mount.attach(2, with.build()).ok());

  EXPECT_EQ(mount.path(1), mountpoint() + "/1");
  EXPECT_EQ(mount.path(2), mountpoint() + "/x/2");
  EXPECT_EQ(stat_of(mount.path(1) + "/file").st_size, 7);
  EXPECT_EQ(stat_of(mount.path(2) + "/file").st_size, 4);
  EXPECT_THAT(names_in(mountpoint()), UnorderedElementsAre("1"));
  EXPECT_THAT(names_in(mountpoint() + "/x"), UnorderedElementsAre("2"));
  EXPECT_TRUE(absl::IsAlreadyExists(mount.attach(1, with.build()).status()));
  EXPECT_TRUE(absl::IsAlreadyExists(mount.attach(2, layer_.build()).status()));

  EXPECT_TRUE(mount.detach(2).ok());
  EXPECT_EQ(lookup_error(mount.path(2)), ENOENT);
  mount_.reset();
  EXPECT_FALSE(mounted_at(mountpoint() + "/x").value().has_value());
  EXPECT_FALSE(mounted_at(mountpoint()).value().has_value());
}

TEST_F(Slots, GiveTheSameNumbersInAnotherMount) {
  layer_.directory("dir");
  layer_.file("dir/file", "content");
  const auto index = layer_.build();
  const auto number = [&] {
    const std::string root = mount().attach(5, index).value();
    const ino_t number = stat_of(root + "/dir/file").st_ino;
    mount_.reset();
    return number;
  };

  EXPECT_EQ(number(), number());
}

TEST_F(Slots, LeaveOpenFilesAliveWhenTheyGo) {
  layer_.directory("dir");
  layer_.file("dir/file", pattern(300'000));
  LazyMount& mount = this->mount();
  const std::string root = mount.attach(1, layer_.build()).value();
  const Fd file = open_file(root + "/dir/file", O_RDONLY).value();
  const Fd directory = open_file(root + "/dir", O_RDONLY | O_DIRECTORY).value();

  ASSERT_TRUE(mount.detach(1).ok());

  std::string got(300'000, '\0');
  EXPECT_EQ(::pread(file.get(), got.data(), got.size(), 0), 300'000);
  EXPECT_EQ(got, pattern(300'000));
  struct stat out;
  EXPECT_EQ(::fstatat(directory.get(), "file", &out, 0), 0);
  EXPECT_EQ(lookup_error(root + "/dir"), ENOENT);
}

TEST_F(Slots, AreFreedWhenTheKernelHasForgottenThem) {
  layer_.file("file", "content");
  LazyMount& mount = this->mount();
  auto index = layer_.build();
  const std::weak_ptr<const cache_index::IndexReader> watch = index;
  const std::string root = mount.attach(1, std::move(index)).value();
  EXPECT_EQ(content_of(root + "/file"), "content");

  ASSERT_TRUE(mount.detach(1).ok());
  while (!watch.expired()) std::this_thread::yield();

  EXPECT_GE(operations("forget"), 1);
}

TEST_F(Mounting, TakesOffADeadMountFirst) {
  const std::string at = mountpoint();
  const pid_t child = ::fork();
  if (child == 0) {  // mounts, and dies without a word
    TestLayer layer;
    FakeChunkReader chunks{""};
    Metrics metrics;
    auto mount = LazyMount::create({.mountpoint = at}, chunks, metrics);
    if (!mount.ok() || !(*mount)->attach(0, layer.build()).ok()) ::_exit(1);
    // A layer on top of the mount, of which the kernel remembers everything.
    if (::mount((at + "/0").c_str(), at.c_str(), nullptr, MS_BIND, nullptr) != 0 || lookup_error(at) != 0) ::_exit(2);
    ::_exit(0);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  ASSERT_EQ(::opendir(at.c_str()), nullptr);
  ASSERT_EQ(errno, ENOTCONN);

  layer_.file("file", "alive");
  const std::string root = mount_layer();

  EXPECT_EQ(content_of(root + "/file"), "alive");
}

TEST_F(Mounting, RefusesAPlaceThatIsTaken) {
  mount();

  const auto second = LazyMount::create({.mountpoint = mountpoint() + "/"}, *chunks_, metrics_);

  EXPECT_TRUE(absl::IsAlreadyExists(second.status())) << second.status();
  EXPECT_TRUE(names_in(mountpoint()).empty());
}

TEST_F(Mounting, FollowsALinkToItsMountpoint) {
  ASSERT_TRUE(make_directories(dir_.path() + "/real").ok());
  ASSERT_EQ(::symlink("real", (dir_.path() + "/mnt").c_str()), 0);

  LazyMount& mount = this->mount();

  EXPECT_EQ(mount.path(1), dir_.path() + "/real/1");
  mount_.reset();
  EXPECT_FALSE(mounted_at(dir_.path() + "/real").value().has_value());
}

TEST_F(Mounting, SaysWhatIsWrongWithTheMountpoint) {
  ASSERT_TRUE(write_file_atomic(dir_.path() + "/file", "").ok());
  FakeChunkReader chunks{""};

  for (const char* wrong : {"/file", "/file/below", "/."}) {
    const auto created = LazyMount::create({.mountpoint = dir_.path() + wrong}, chunks, metrics_);
    EXPECT_FALSE(created.ok()) << wrong;
  }
}

TEST_F(Mounting, LeavesNothingBehind) {
  layer_.file("file", "content");
  mount_layer();

  mount_.reset();

  EXPECT_FALSE(mounted_at(mountpoint()).value().has_value());
  EXPECT_TRUE(names_in(mountpoint()).empty());
}

TEST_F(Mounting, EndsWhileItIsStillUsedAndCanBeMadeAgain) {
  layer_.file("file", pattern(1000));
  const std::string root = mount_layer();
  const Fd inside = open_file(root, O_RDONLY | O_DIRECTORY).value();

  mount_.reset();

  struct stat out;
  EXPECT_EQ(::fstatat(inside.get(), "other", &out, 0), -1);
  EXPECT_EQ(errno, ENOTCONN);
  mount_layer();
  EXPECT_EQ(content_of(root + "/file"), pattern(1000));
}

TEST_F(Mounting, SurvivesBeingUnmountedByOthers) {
  layer_.file("file", "content");
  const std::string root = mount_layer();
  const Fd inside = open_file(root, O_RDONLY | O_DIRECTORY).value();

  ASSERT_EQ(::umount2(mountpoint().c_str(), MNT_DETACH), 0);
  mount_.reset();

  EXPECT_FALSE(mounted_at(mountpoint()).value().has_value());
  struct stat out;
  EXPECT_EQ(::fstatat(inside.get(), "other", &out, 0), -1);
}

TEST_F(OverlayOnTop, SeesWhiteoutsAndOpaqueDirectories) {
  TestLayer lower;
  lower.directory("etc");
  lower.file("etc/kept", "kept");
  lower.file("etc/removed", "removed");
  lower.directory("opt");
  lower.file("opt/old", "old");
  layer_.directory("etc");
  layer_.whiteout("etc/removed");
  layer_.file("etc/added", "added");
  layer_.directory("opt").xattrs = {{"trusted.overlay.opaque", "y"}};
  layer_.symlink("opt/new", "../etc/added");
  LazyMount& mount = this->mount();
  ASSERT_TRUE(mount.attach(0, lower.build()).ok());
  ASSERT_TRUE(mount.attach(1, layer_.build()).ok());

  const std::string at = dir_.path() + "/merged";
  const Overlay overlay(at, "lowerdir=" + mount.path(1) + ":" + mount.path(0) + ",index=off");

  EXPECT_THAT(names_in(at + "/etc"), UnorderedElementsAre("kept", "added"));
  EXPECT_EQ(lookup_error(at + "/etc/removed"), ENOENT);
  EXPECT_THAT(names_in(at + "/opt"), UnorderedElementsAre("new"));
}

TEST_F(OverlayOnTop, CopiesUpWithEverything) {
  layer_.directory("bin").mode = S_IFDIR | 0750;
  auto& tool = layer_.file("bin/tool", pattern(200'000));
  tool.mode = S_IFREG | 04755;
  tool.uid = 7;
  tool.mtime_nsec = 5;
  LazyMount& mount = this->mount();
  ASSERT_TRUE(mount.attach(0, layer_.build()).ok());
  for (const char* name : {"/upper", "/work"}) ASSERT_TRUE(make_directories(dir_.path() + name).ok());
  const std::string at = dir_.path() + "/merged";
  const Overlay overlay(at, "lowerdir=" + mount.path(0) + ",upperdir=" + dir_.path() + "/upper,workdir=" + dir_.path() +
                                "/work,index=off");

  ASSERT_EQ(::chmod((at + "/bin/tool").c_str(), 0711), 0) << std::strerror(errno);

  EXPECT_EQ(content_of(at + "/bin/tool"), pattern(200'000));
  const struct stat copied = stat_of(dir_.path() + "/upper/bin/tool");
  EXPECT_EQ(copied.st_mode, S_IFREG | 0711u);
  EXPECT_EQ(copied.st_uid, 7u);
  EXPECT_EQ(copied.st_mtim.tv_nsec, 5);
  EXPECT_EQ(stat_of(dir_.path() + "/upper/bin").st_mode, S_IFDIR | 0750u);
}

}  // namespace
}  // namespace samara::fuse_fs
