#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <future>

#include "dying_thread.h"
#include "interrupt_watcher.h"

namespace samara::fuse_fs {
namespace {

class PromiseReply final : public ReadReply {
 public:
  explicit PromiseReply(std::promise<int>& answered) : answered_(answered) {}
  void data(std::span<const iovec>) override { answered_.set_value(0); }
  void error(int error) override { answered_.set_value(error); }

 private:
  std::promise<int>& answered_;
};

/// A read that waits for a chunk that never comes.
std::shared_ptr<ReadOperation> waiting_read(std::promise<int>& answered) {
  auto read = std::make_shared<ReadOperation>(nullptr, std::vector<ReadPiece>{{.chunk = 0, .begin = 0, .size = 1}},
                                              std::make_unique<PromiseReply>(answered),
                                              [](const ReadOperation::Outcome&) {});
  read->release();
  return read;
}

TEST(InterruptWatcher, EndsTheReadOfADyingThreadAtOnce) {
  std::promise<int> answered;
  InterruptWatcher watcher([](pid_t) { return true; });

  const auto read = waiting_read(answered);
  watcher.interrupted(read, 17);

  EXPECT_TRUE(read->answered());
  EXPECT_EQ(answered.get_future().get(), EINTR);
}

TEST(InterruptWatcher, LeavesAReadAloneUntilItsThreadIsDying) {
  std::promise<int> answered;
  std::promise<void> looked_twice;
  std::atomic<int> looks = 0;
  std::atomic<bool> dying = false;
  InterruptWatcher watcher([&](pid_t) {
    if (++looks == 2) looked_twice.set_value();
    return dying.load();
  });

  const auto read = waiting_read(answered);
  watcher.interrupted(read, 17);
  looked_twice.get_future().wait();
  EXPECT_FALSE(read->answered());
  dying = true;

  EXPECT_EQ(answered.get_future().get(), EINTR);
}

TEST(InterruptWatcher, ForgetsReadsThatEndedOtherwise) {
  std::promise<int> answered;
  std::promise<void> looked_twice;
  std::atomic<int> looks = 0;
  auto read = [&] { return waiting_read(answered); }();
  {
    InterruptWatcher watcher([&](pid_t) {
      if (++looks == 2) looked_twice.set_value();
      return false;
    });
    watcher.interrupted(read, 17);
    looked_twice.get_future().wait();
    read->cancel(EIO);
  }

  EXPECT_EQ(answered.get_future().get(), EIO);
  EXPECT_EQ(read.use_count(), 1);
}

TEST(DyingThread, IsToldFromItsStatus) {
  EXPECT_TRUE(has_kill_pending("Name:\tcat\nSigPnd:\t0000000000000100\nShdPnd:\t0000000000000000\n"));
  EXPECT_FALSE(has_kill_pending("Name:\tcat\nSigPnd:\t0000000000000200\nShdPnd:\t0000000000000100\n"));
  EXPECT_FALSE(has_kill_pending("SigPnd:\t0000000000000100\n"));
  EXPECT_FALSE(has_kill_pending(""));
}

TEST(DyingThread, IsNotThisOneButAnyThatIsGone) {
  EXPECT_FALSE(is_dying(gettid()));
  EXPECT_TRUE(is_dying(0));
  EXPECT_TRUE(is_dying(1 << 30));
}

}  // namespace
}  // namespace samara::fuse_fs
