// A mount whose process dies or hands over, and the one that goes on with it.
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <csignal>
#include <functional>
#include <future>
#include <set>
#include <thread>

#include "agreement.h"
#include "mount_fixture.h"
#include "mount_table.h"

namespace samara::fuse_fs {
namespace {

/// What the mount's process would give to its keeper, kept by the test itself.
class KeptHere final : public ConnectionKeeper {
 public:
  std::map<std::string, Fd> kept() override {
    std::map<std::string, Fd> copies;
    for (const auto& [name, fd] : kept_) copies.emplace(name, Fd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0)));
    return copies;
  }
  absl::Status keep(const std::string& name, int connection) override {
    kept_[name] = Fd(::fcntl(connection, F_DUPFD_CLOEXEC, 0));
    return absl::OkStatus();
  }
  absl::Status forget(const std::string& name) override {
    kept_.erase(name);
    return absl::OkStatus();
  }
  void serving() override {}
  std::size_t size() const { return kept_.size(); }

 private:
  std::map<std::string, Fd> kept_;
};

/// Counts, across processes.
class Tally {
 public:
  void up() { ::eventfd_write(fd_.get(), 1); }
  void wait() {
    eventfd_t value;
    ::eventfd_read(fd_.get(), &value);
  }

 private:
  const Fd fd_{::eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE)};
};

class Takeover : public MountTest {
 protected:
  void SetUp() override {
    MountTest::SetUp();
    if (IsSkipped()) return;
    layer_.directory("dir");
    layer_.file("dir/file", pattern(600'000));
    layer_.file("other", "other content");
    with_.file("file", "attributes").xattrs = {{"user.a", "1"}};
    index_ = layer_.build();
    index_with_ = with_.build();
  }
  void TearDown() override {
    mount_.reset();
    keeper_.reset();
    ::umount2(mountpoint().c_str(), MNT_DETACH);
  }

  LazyMount::Options options(ConnectionKeeper& keeper) const {
    return {.mountpoint = mountpoint(), .keeper = &keeper, .records = dir_.path() + "/records"};
  }

  /// A process that serves the mount through the test's holder until it is killed. It doesn't answer reads.
  pid_t serve_in_child() {
    const pid_t child = ::fork();
    if (child != 0) return child;
    auto keeper = holder();
    FakeChunkReader chunks(layer_.stream());
    chunks.hold();
    Metrics metrics;
    auto mount = LazyMount::create(options(*keeper), chunks, metrics);
    if (!mount.ok() || !(*mount)->attach(7, index_).ok() || !(*mount)->attach(8, index_with_).ok() ||
        !(*mount)->serve().ok()) {
      std::fprintf(stderr, "child: %s\n", mount.status().ToString().c_str());
      ::_exit(1);
    }
    keeper->serving();
    serving_.up();
    for (std::size_t held = 1;; ++held) {
      chunks.wait_for_held(held);
      reading_.up();
    }
  }
  /// The first one. A process that dies closes its files, which must need no answer then: the kernel learns that here.
  pid_t serve_first() {
    const pid_t child = serve_in_child();
    serving_.wait();
    EXPECT_TRUE(open_file(file(), O_RDONLY).ok());
    return child;
  }
  void kill(pid_t child) {
    ::kill(child, SIGKILL);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  }

  std::unique_ptr<ConnectionKeeper> holder() {
    auto keeper = holder_keeper({.socket = dir_.path() + "/holder.sock", .command = {TEST_HOLDER}});
    EXPECT_TRUE(keeper.ok()) << keeper.status();
    return *std::move(keeper);
  }

  /// Takes over what a child left; doesn't serve yet.
  LazyMount& take_over() {
    keeper_ = holder();
    return take_over(*keeper_);
  }
  LazyMount& take_over(ConnectionKeeper& keeper) {
    chunks_.emplace(layer_.stream());
    auto created = LazyMount::create(options(keeper), *chunks_, metrics_);
    EXPECT_TRUE(created.ok()) << created.status();
    mount_ = std::move(created).value();
    return *mount_;
  }
  void attach_both(LazyMount& mount) {
    EXPECT_TRUE(mount.attach(7, index_).ok());
    EXPECT_TRUE(mount.attach(8, index_with_).ok());
  }
  double takeovers() { return metrics_.counter("samara_fuse_takeovers_total", "").value(); }
  void end() {
    mount_.reset();
    EXPECT_TRUE(unmount_kept(options(*keeper_)).ok());
    EXPECT_FALSE(mounted_at(mountpoint()).value().has_value());
  }
  std::string file() const { return mountpoint() + "/7/dir/file"; }
  static std::future<std::string> read_aside(const std::string& path) {
    return std::async(std::launch::async, [path] { return content_of(path); });
  }

  TestLayer with_;
  peer::LayerIndex index_, index_with_;
  Tally serving_, reading_;
  std::unique_ptr<ConnectionKeeper> keeper_;
};

TEST_F(Takeover, AnswersWhatTheDeadProcessHadRead) {
  const pid_t child = serve_first();
  auto reader = read_aside(file());
  reading_.wait();

  kill(child);
  LazyMount& mount = take_over();
  attach_both(mount);
  ASSERT_TRUE(mount.serve().ok());

  EXPECT_EQ(reader.get(), pattern(600'000));
  EXPECT_EQ(takeovers(), 2);
  end();
}

TEST_F(Takeover, LetsRequestsWaitUntilEveryLayerIsBack) {
  const pid_t child = serve_first();
  const Fd root = open_file(mountpoint() + "/7", O_PATH).value();
  kill(child);

  auto looked_up = std::async(std::launch::async, [&] {
    struct stat out;
    return ::fstatat(root.get(), "other", &out, 0) == 0 ? out.st_ino : 0;
  });
  auto listed = std::async(std::launch::async, [&] { return lookup_error(mountpoint() + "/x/8/file"); });
  LazyMount& mount = take_over();
  attach_both(mount);
  ASSERT_TRUE(mount.serve().ok());

  EXPECT_EQ(looked_up.get(), stat_of(mountpoint() + "/7/other").st_ino);
  EXPECT_EQ(listed.get(), 0);
  end();
}

TEST_F(Takeover, KeepsOpenFilesAndOverlays) {
  const pid_t child = serve_first();
  const std::string merged = dir_.path() + "/merged";
  for (const char* name : {"/upper", "/work", "/merged"}) ASSERT_TRUE(make_directories(dir_.path() + name).ok());
  const std::string data = "lowerdir=" + mountpoint() + "/x/8:" + mountpoint() + "/7,upperdir=" + dir_.path() +
                           "/upper,workdir=" + dir_.path() + "/work,index=off";
  ASSERT_EQ(::mount("overlay", merged.c_str(), "overlay", 0, data.c_str()), 0) << std::strerror(errno);
  Fd open = open_file(merged + "/dir/file", O_RDONLY).value();

  kill(child);
  LazyMount& mount = take_over();
  attach_both(mount);
  ASSERT_TRUE(mount.serve().ok());

  std::string got(1000, '\0');
  EXPECT_EQ(::pread(open.get(), got.data(), got.size(), 5000), 1000);
  EXPECT_EQ(got, pattern(600'000).substr(5000, 1000));
  EXPECT_EQ(content_of(merged + "/other"), "other content");
  open.reset();
  EXPECT_EQ(::umount2(merged.c_str(), 0), 0) << std::strerror(errno);
  end();
}

TEST_F(Takeover, SurvivesDeathAfterDeath) {
  pid_t child = serve_first();
  auto reader = read_aside(file());
  reading_.wait();

  for (int death = 0; death < 3; ++death) {
    kill(child);
    child = serve_in_child();
    serving_.wait();
    reading_.wait();  // the same read, once more
  }
  kill(child);
  take_over();  // and one that dies before it serves
  mount_.reset();
  keeper_.reset();
  LazyMount& mount = take_over();
  attach_both(mount);
  ASSERT_TRUE(mount.serve().ok());

  EXPECT_EQ(reader.get(), pattern(600'000));
  end();
}

TEST_F(Takeover, GoesOnAfterAHandover) {
  KeptHere keeper;
  attach_both(take_over(keeper));
  ASSERT_TRUE(mount_->serve().ok());
  chunks_->hold();
  auto reader = read_aside(file());
  chunks_->wait_for_held(1);
  const ino_t before = stat_of(file()).st_ino;

  mount_.reset();
  EXPECT_TRUE(mounted_at(mountpoint()).value().has_value());
  attach_both(take_over(keeper));
  ASSERT_TRUE(mount_->serve().ok());

  EXPECT_EQ(reader.get(), pattern(600'000));
  EXPECT_EQ(stat_of(file()).st_ino, before);
  mount_.reset();
  EXPECT_TRUE(unmount_kept(options(keeper)).ok());
  EXPECT_FALSE(mounted_at(mountpoint()).value().has_value());
  EXPECT_EQ(keeper.size(), 0u);
}

TEST_F(Takeover, TakesNewLayersOfEitherKindAfterwards) {
  KeptHere keeper;
  ASSERT_TRUE(take_over(keeper).attach(7, index_).ok());
  ASSERT_TRUE(mount_->serve().ok());
  mount_.reset();

  LazyMount& mount = take_over(keeper);
  ASSERT_TRUE(mount.attach(7, index_).ok());
  EXPECT_EQ(mount.attach(8, index_with_).value(), mountpoint() + "/x/8");  // its mount isn't there yet
  EXPECT_EQ(mount.path(8), mountpoint() + "/x/8");
  ASSERT_TRUE(mount.serve().ok());
  ASSERT_TRUE(mount.attach(9, index_).ok());

  EXPECT_EQ(stat_of(mount.path(8) + "/file").st_size, 10);
  EXPECT_EQ(content_of(mount.path(9) + "/other"), "other content");
  EXPECT_TRUE(mount.detach(7).ok());
  EXPECT_EQ(lookup_error(mountpoint() + "/7"), ENOENT);
  mount_.reset();
  EXPECT_TRUE(unmount_kept(options(keeper)).ok());
}

TEST_F(Takeover, MountsAnewWhenTheOldMountIsGone) {
  KeptHere keeper;
  attach_both(take_over(keeper));
  mount_.reset();
  ASSERT_EQ(::umount2(mountpoint().c_str(), MNT_DETACH), 0);

  attach_both(take_over(keeper));
  ASSERT_TRUE(mount_->serve().ok());

  EXPECT_EQ(content_of(mountpoint() + "/7/other"), "other content");
  EXPECT_EQ(takeovers(), 0);
  mount_.reset();
  EXPECT_TRUE(unmount_kept(options(keeper)).ok());
}

TEST_F(Takeover, MountsAnewWhenNothingIsKnownOfTheConnection) {
  KeptHere keeper;
  attach_both(take_over(keeper));
  mount_.reset();
  ASSERT_EQ(::unlink((dir_.path() + "/records/samara-plain").c_str()), 0);

  attach_both(take_over(keeper));
  ASSERT_TRUE(mount_->serve().ok());

  EXPECT_EQ(content_of(mountpoint() + "/7/other"), "other content");
  mount_.reset();
  EXPECT_TRUE(unmount_kept(options(keeper)).ok());
}

TEST_F(Takeover, EndsWithAnErrorWhenNobodyTakesOver) {
  KeptHere keeper;
  attach_both(take_over(keeper));
  chunks_->hold();
  auto reader = std::async(std::launch::async, [&] {
    char byte;
    const auto file = open_file(this->file(), O_RDONLY);
    return ::pread(file->get(), &byte, 1, 0) < 0 ? errno : 0;
  });
  chunks_->wait_for_held(1);

  mount_.reset();
  EXPECT_TRUE(keeper.forget("samara-plain").ok());  // as the holder does after its deadline
  EXPECT_TRUE(keeper.forget("samara-xattrs").ok());

  EXPECT_THAT(reader.get(), testing::AnyOf(ECONNABORTED, ENOTCONN));
  EXPECT_TRUE(unmount_kept(options(keeper)).ok());
  EXPECT_FALSE(mounted_at(mountpoint()).value().has_value());
}

}  // namespace
}  // namespace samara::fuse_fs
