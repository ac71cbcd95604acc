// What the kernel is given ahead by the process that asks for it.
#include "fuse_fs/preloader.h"

#include <gmock/gmock.h>
#include <sys/mman.h>

#include <csignal>
#include <mutex>
#include <set>
#include <thread>

#include "mount_fixture.h"

namespace samara::fuse_fs {
namespace {

constexpr std::uint32_t kChunk = 64u << 10;

class Watcher final : public FileWatcher {
 public:
  void touched(const peer::LayerIndex&, std::uint32_t inode) override {
    const std::lock_guard lock(mutex_);
    inodes_.insert(inode);
  }
  std::set<std::uint32_t> inodes() const {
    const std::lock_guard lock(mutex_);
    return inodes_;
  }

 private:
  mutable std::mutex mutex_;
  std::set<std::uint32_t> inodes_;
};

class PreloaderTest : public MountTest {
 protected:
  PreloaderTest() {
    layer_.directory("lib");
    layer_.file("lib/code", content_);
    layer_.symlink("link", "lib/code");
  }
  void TearDown() override { preloader_.stop(); }

  std::string mount_watched() {
    chunks_.emplace(layer_.stream());
    auto created = LazyMount::create(
        {.mountpoint = mountpoint(), .watcher = &watcher_, .preloader = &preloader_}, *chunks_, metrics_);
    EXPECT_TRUE(created.ok()) << created.status();
    mount_ = std::move(created).value();
    return mount_->attach(0, layer_.build(kChunk)).value();
  }
  /// The other process has done everything by now: requests are done in their order.
  void wait_for(std::string_view operation, double count) {
    while (operations(std::string(operation).c_str()) < count) std::this_thread::yield();
  }
  static std::size_t pages_in_memory(const std::string& path, std::size_t bytes) {
    const Fd file = open_file(path, O_RDONLY).value();
    void* const mapped = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file.get(), 0);
    std::vector<unsigned char> pages((bytes + 4095) / 4096);
    EXPECT_EQ(::mincore(mapped, bytes, pages.data()), 0) << std::strerror(errno);
    ::munmap(mapped, bytes);
    return static_cast<std::size_t>(std::count_if(pages.begin(), pages.end(), [](auto page) { return page & 1; }));
  }

  const std::string content_ = pattern(8 * kChunk);
  Watcher watcher_;
  Preloader preloader_{{TEST_HOLDER, "preloader"}};
};

TEST_F(PreloaderTest, BringsPagesIntoThePageCache) {
  const std::string root = mount_watched();

  ASSERT_TRUE(preloader_.load(root, "lib/code", kChunk, 2 * kChunk));

  while (pages_in_memory(root + "/lib/code", content_.size()) < 2 * kChunk / 4096) std::this_thread::yield();
  const double reads = operations("read");
  EXPECT_EQ(content_of(root + "/lib/code"), content_);
  EXPECT_GT(operations("read"), reads);  // the rest
  EXPECT_THAT(watcher_.inodes(), testing::Not(testing::IsEmpty()));
}

TEST_F(PreloaderTest, IsNotTakenForSomebodyWhoReads) {
  const std::string root = mount_watched();

  ASSERT_TRUE(preloader_.load(root, "lib/code", 0, content_.size()));
  ASSERT_TRUE(preloader_.load(root, "link", 0, 0));
  while (chunks_->read_chunks().size() < content_.size() / kChunk) std::this_thread::yield();
  wait_for("readlink", 1);

  EXPECT_THAT(watcher_.inodes(), testing::IsEmpty());
  EXPECT_THAT(chunks_->urgencies(), testing::Each(peer::FetchClass::kTrace));
}

TEST_F(PreloaderTest, BringsNames) {
  const std::string root = mount_watched();

  ASSERT_TRUE(preloader_.load(root, "link", 0, 0));
  wait_for("readlink", 1);
  const Fd directory = open_file(root, O_PATH).value();
  const double lookups = operations("lookup");
  char target[100];
  EXPECT_GT(::readlinkat(directory.get(), "link", target, sizeof target), 0);

  EXPECT_EQ(operations("lookup"), lookups);
  EXPECT_EQ(operations("readlink"), 1);
}

TEST_F(PreloaderTest, GoesOnAfterWhatIsNotThere) {
  const std::string root = mount_watched();

  ASSERT_TRUE(preloader_.load(root, "gone", 0, 4096));
  ASSERT_TRUE(preloader_.load(root, "lib", 0, 4096));  // a directory
  EXPECT_FALSE(preloader_.load(root, std::string(9000, 'x'), 0, 4096));
  ASSERT_TRUE(preloader_.load(root, "link", 0, 0));

  wait_for("readlink", 1);
}

TEST_F(PreloaderTest, ComesBackWhenItWasKilled) {
  const std::string root = mount_watched();
  ASSERT_TRUE(preloader_.load(root, "lib", 0, 0));
  wait_for("lookup", 2);
  pid_t process = 1;
  while (!preloader_.is(process)) ++process;

  ASSERT_EQ(::kill(process, SIGKILL), 0);
  while (preloader_.load(root, "lib", 0, 0)) std::this_thread::yield();  // until it is noticed
  ASSERT_TRUE(preloader_.load(root, "link", 0, 0));

  wait_for("readlink", 1);
  EXPECT_FALSE(preloader_.is(process));
}

TEST_F(PreloaderTest, LoadsNothingAfterTheEnd) {
  const std::string root = mount_watched();
  preloader_.stop();

  EXPECT_FALSE(preloader_.load(root, "link", 0, 0));
}

}  // namespace
}  // namespace samara::fuse_fs
