// Contents of files through the mount, and reads that don't come, come late or come to nothing.
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <atomic>
#include <csignal>
#include <random>
#include <thread>
#include <vector>

#include "mount_fixture.h"

namespace samara::fuse_fs {
namespace {

constexpr std::uint32_t kChunk = 64u << 10;

/// A process that reads `path` at `offset`, past the page cache, so that the kernel waits for this very read: 0 when
/// it got `size` bytes, else its errno. `on_signal`: whether it handles SIGUSR1.
pid_t start_reader(const std::string& path, std::size_t size, bool on_signal = false) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  if (on_signal) {
    struct sigaction handler {};
    handler.sa_handler = [](int) {};
    ::sigaction(SIGUSR1, &handler, nullptr);
  }
  void* buffer = nullptr;
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECT);
  if (fd < 0 || ::posix_memalign(&buffer, 4096, size) != 0) ::_exit(200);
  const ssize_t got = ::read(fd, buffer, size);
  ::_exit(got == static_cast<ssize_t>(size) ? 0 : got < 0 ? errno : 201);
}

/// How the process ended.
int wait_for(pid_t child) {
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

class Content : public MountTest {};
class HungRead : public MountTest {};

TEST_F(Content, IsRightAtOddOffsets) {
  const std::string content = pattern(3 * 1024 * 1024 + 4321);
  layer_.file("small", "tiny\n");
  layer_.file("empty", "");
  layer_.file("big", content);
  const std::string root = mount_layer(kChunk);
  const Fd big = open_file(root + "/big", O_RDONLY).value();

  EXPECT_EQ(content_of(root + "/small"), "tiny\n");
  EXPECT_EQ(content_of(root + "/empty"), "");
  std::mt19937 random(7);
  for (int i = 0; i < 300; ++i) {
    const std::size_t offset = random() % content.size();
    std::string got(random() % 200'000 + 1, '\0');
    const ssize_t size = ::pread(big.get(), got.data(), got.size(), static_cast<off_t>(offset));
    ASSERT_GE(size, 0) << std::strerror(errno);
    got.resize(static_cast<std::size_t>(size));
    ASSERT_EQ(got, content.substr(offset, got.size()));
    ASSERT_TRUE(!got.empty());
  }
  EXPECT_EQ(content_of(root + "/big"), content);
}

TEST_F(Content, CanBeMapped) {
  const std::string content = pattern(1024 * 1024 + 100);
  layer_.file("library", content);
  const std::string root = mount_layer(kChunk);
  const Fd file = open_file(root + "/library", O_RDONLY).value();

  void* const mapped = ::mmap(nullptr, content.size(), PROT_READ | PROT_EXEC, MAP_PRIVATE, file.get(), 0);

  ASSERT_NE(mapped, MAP_FAILED);
  EXPECT_EQ(std::string_view(static_cast<const char*>(mapped), content.size()), content);
  const std::string_view tail(static_cast<const char*>(mapped) + content.size(), 4096 - content.size() % 4096);
  EXPECT_EQ(tail.find_first_not_of('\0'), std::string_view::npos);
  ::munmap(mapped, content.size());
}

TEST_F(Content, IsRightForManyReadersAtOnce) {
  std::vector<std::string> contents;
  for (unsigned i = 0; i < 8; ++i) {
    contents.push_back(pattern(300'000 + i * 1111, i + 1));
    layer_.file("file" + std::to_string(i), contents.back());
  }
  const std::string root = mount_layer(kChunk);
  std::vector<std::thread> readers;
  std::atomic<int> right = 0;

  for (unsigned reader = 0; reader < 16; ++reader) {
    readers.emplace_back([&, reader] {
      for (unsigned i = 0; i < 8; ++i) {
        const unsigned file = (i + reader) % 8;
        if (content_of(root + "/file" + std::to_string(file)) == contents[file]) ++right;
      }
    });
  }
  for (std::thread& reader : readers) reader.join();

  EXPECT_EQ(right, 16 * 8);
}

TEST_F(Content, OfAChunkIsInThePageCacheAfterAReadInItsMiddle) {
  const std::string content = pattern(4 * kChunk);
  layer_.file("file", content);
  const std::string root = mount_layer(kChunk);
  const Fd file = open_file(root + "/file", O_RDONLY).value();
  ASSERT_EQ(::posix_fadvise(file.get(), 0, 0, POSIX_FADV_RANDOM), 0);
  std::string got(kChunk, '\0');
  ASSERT_EQ(::pread(file.get(), got.data(), 4096, kChunk + 8192), 4096);

  while (metrics_.counter("samara_fuse_stored_bytes_total", "").value() < kChunk - 4096) std::this_thread::yield();
  const double reads = operations("read");

  EXPECT_EQ(::pread(file.get(), got.data(), kChunk, kChunk), static_cast<ssize_t>(kChunk));
  EXPECT_EQ(got, content.substr(kChunk, kChunk));
  EXPECT_EQ(operations("read"), reads);
}

TEST_F(Content, MayComeLate) {
  const std::string content = pattern(3 * kChunk);
  layer_.file("file", content);
  const std::string root = mount_layer(kChunk);
  chunks_->hold();

  std::string got;
  std::thread reader([&] { got = content_of(root + "/file"); });
  chunks_->wait_for_held(1);
  chunks_->release();
  reader.join();

  EXPECT_EQ(got, content);
}

TEST_F(Content, ThatCantBeHadIsAnErrorUntilItCan) {
  layer_.file("file", "here at last");
  const std::string root = mount_layer(kChunk);
  chunks_->fail_from_now_on(absl::UnavailableError("no source answered"));
  const Fd file = open_file(root + "/file", O_RDONLY).value();
  char text[32] = {};

  EXPECT_EQ(::pread(file.get(), text, sizeof text, 0), -1);
  EXPECT_EQ(errno, EIO);
  chunks_->fail_from_now_on(absl::OkStatus());

  EXPECT_EQ(::pread(file.get(), text, sizeof text, 0), 12);
  EXPECT_STREQ(text, "here at last");
}

TEST_F(HungRead, LetsItsReaderBeKilled) {
  layer_.file("file", pattern(kChunk));
  const std::string root = mount_layer(kChunk);
  for (const int signal : {SIGKILL, SIGINT, SIGTERM}) {
    chunks_->hold();
    const pid_t child = start_reader(root + "/file", kChunk);
    chunks_->wait_for_held(1);

    ::kill(child, signal);

    const int status = wait_for(child);
    EXPECT_TRUE(WIFSIGNALED(status)) << status;
    EXPECT_EQ(WTERMSIG(status), signal);
    chunks_->release();
  }
}

TEST_F(HungRead, IsNotDisturbedByASignalThatItsReaderHandles) {
  layer_.file("file", pattern(kChunk));
  const std::string root = mount_layer(kChunk);
  chunks_->hold();
  const pid_t child = start_reader(root + "/file", kChunk, true);
  chunks_->wait_for_held(1);

  ::kill(child, SIGUSR1);
  while (operations("interrupt") < 1) std::this_thread::yield();
  chunks_->release();

  EXPECT_EQ(wait_for(child), 0);
}

TEST_F(HungRead, LetsItsReaderBeKilledAfterASignalThatItHandles) {
  layer_.file("file", pattern(kChunk));
  const std::string root = mount_layer(kChunk);
  chunks_->hold();
  const pid_t child = start_reader(root + "/file", kChunk, true);
  chunks_->wait_for_held(1);

  ::kill(child, SIGUSR1);
  while (operations("interrupt") < 1) std::this_thread::yield();
  ::kill(child, SIGKILL);

  EXPECT_TRUE(WIFSIGNALED(wait_for(child)));
}

TEST_F(HungRead, DoesntHoldUpOthers) {
  layer_.file("slow", pattern(kChunk));
  layer_.file("fast", pattern(kChunk, 2));
  const std::string root = mount_layer(kChunk);
  EXPECT_EQ(content_of(root + "/fast").size(), kChunk);
  chunks_->hold();
  std::vector<pid_t> children;
  for (int i = 0; i < 8; ++i) children.push_back(start_reader(root + "/slow", kChunk));
  chunks_->wait_for_held(8);

  EXPECT_EQ(content_of(root + "/fast").size(), kChunk);
  EXPECT_EQ(lookup_error(root + "/absent"), ENOENT);

  chunks_->release();
  for (const pid_t child : children) EXPECT_EQ(wait_for(child), 0);
}

TEST_F(HungRead, EndsWhenTheMountGoesAndALateAnswerHurtsNobody) {
  layer_.file("file", pattern(kChunk));
  const std::string root = mount_layer(kChunk);
  chunks_->hold();
  const pid_t child = start_reader(root + "/file", kChunk);
  chunks_->wait_for_held(1);

  mount_.reset();

  const int status = wait_for(child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) != 0) << status;
  chunks_->release();
}

}  // namespace
}  // namespace samara::fuse_fs
