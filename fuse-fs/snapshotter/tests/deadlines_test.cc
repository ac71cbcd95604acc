#include "snapshotter/deadlines.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

namespace samara::snapshotter {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

// Returns once the token fires.
void wait_for(const std::stop_token& token) {
  std::mutex mutex;
  std::condition_variable_any fired;
  std::unique_lock lock(mutex);
  fired.wait(lock, token, [] { return false; });
}

TEST(Deadlines, FireWhenTheirTimeIsOver) {
  Deadlines deadlines;
  const Deadlines::Armed late = deadlines.arm(hours(1));
  const Deadlines::Armed soon = deadlines.arm(milliseconds(1));

  wait_for(soon.token());

  EXPECT_TRUE(soon.token().stop_requested());
  EXPECT_FALSE(late.token().stop_requested());
}

TEST(Deadlines, OneThatFiredDoesNotHoldUpTheNext) {
  Deadlines deadlines;
  const Deadlines::Armed first = deadlines.arm(milliseconds(1));
  wait_for(first.token());

  const Deadlines::Armed second = deadlines.arm(milliseconds(1));
  wait_for(second.token());

  EXPECT_TRUE(second.token().stop_requested());
}

TEST(Deadlines, StopFiresThemAll) {
  Deadlines deadlines;
  const Deadlines::Armed armed = deadlines.arm(hours(1));

  deadlines.stop();
  const Deadlines::Armed later = deadlines.arm(hours(1));

  EXPECT_TRUE(armed.token().stop_requested());
  EXPECT_TRUE(later.token().stop_requested());
  EXPECT_TRUE(deadlines.stopped());
}

}  // namespace
}  // namespace samara::snapshotter
