#include "retry_after.h"

#include <gtest/gtest.h>

#include "base/status.h"
#include "fake_clock.h"

namespace samara::registry_proxy {
namespace {

using std::chrono::seconds;
using std::chrono::system_clock;

// Sun, 06 Nov 1994 08:49:00 GMT
const auto kNow = system_clock::from_time_t(784111740);

TEST(RetryAfter, ReadsSecondsAndEveryFormOfADate) {
  EXPECT_EQ(parse_retry_after("120", kNow), seconds(120));
  EXPECT_EQ(parse_retry_after(" 0 ", kNow), seconds(0));
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", kNow), seconds(37));
  EXPECT_EQ(parse_retry_after("Sunday, 06-Nov-94 08:49:37 GMT", kNow), seconds(37));
  EXPECT_EQ(parse_retry_after("Sun Nov  6 08:49:37 1994", kNow), seconds(37));
}

TEST(RetryAfter, TakesADateThatHasPassedForNow) {
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:48:00 GMT", kNow), seconds(0));
}

TEST(RetryAfter, BoundsWhatCouldOverflow) {
  const seconds longest(365 * 24 * 3600);

  EXPECT_EQ(parse_retry_after("99999999999999999999999", kNow), longest);
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 9994 08:49:37 GMT", kNow), longest);
}

TEST(RetryAfter, KnowsNothingOfAnythingElse) {
  for (const char* value : {"", "-1", "1.5", "soon", "12x", "0x10", "Sun, 99 Nov 1994 08:49:37 GMT"})
    EXPECT_EQ(parse_retry_after(value, kNow), std::nullopt) << value;
}

TEST(RetryAfter, StaysWithAnErrorThatIsAnnotated) {
  const absl::Status status = annotate(with_retry_after(absl::ResourceExhaustedError("limits"), seconds(7)), "it");

  EXPECT_EQ(retry_after(status), seconds(7));
  EXPECT_EQ(status.message(), "it: limits");
  EXPECT_EQ(retry_after(absl::ResourceExhaustedError("disk full")), std::nullopt);
}

TEST(RetryAfter, BoundsAndCompletesWhatAnAnswerSays) {
  const FakeClock clock;
  http::Headers long_wait, none;
  long_wait.add("Retry-After", "86400");

  EXPECT_EQ(retry_after(limited("it", long_wait, clock, seconds(300))), seconds(300));
  EXPECT_EQ(retry_after(limited("it", none, clock, seconds(300))), seconds(30));
}

}  // namespace
}  // namespace samara::registry_proxy
