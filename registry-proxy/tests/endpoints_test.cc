#include "endpoints.h"

#include <gtest/gtest.h>

#include "fake_clock.h"

namespace samara::registry_proxy {
namespace {

using std::chrono::seconds;
using Order = std::vector<std::size_t>;

TEST(Endpoints, PutsOneThatFailedBehindTheOthersForAWhile) {
  FakeClock clock;
  Endpoints endpoints(3, seconds(30), clock);

  EXPECT_TRUE(endpoints.failed(0, std::nullopt));
  EXPECT_FALSE(endpoints.failed(0, std::nullopt));
  EXPECT_EQ(endpoints.order(), (Order{1, 2, 0}));
  clock.advance(seconds(31));

  EXPECT_EQ(endpoints.order(), (Order{0, 1, 2}));
}

TEST(Endpoints, TrustsOneAgainAsSoonAsItWorks) {
  FakeClock clock;
  Endpoints endpoints(2, seconds(30), clock);
  endpoints.failed(0, seconds(600));

  endpoints.worked(0);

  EXPECT_EQ(endpoints.order(), (Order{0, 1}));
}

TEST(Endpoints, LeavesALimitedOneAloneForThatIdentityOnly) {
  FakeClock clock;
  Endpoints endpoints(1, seconds(30), clock);

  endpoints.rest(0, "a", seconds(60));
  clock.advance(seconds(20));

  EXPECT_EQ(endpoints.resting(0, "a"), seconds(40));
  EXPECT_EQ(endpoints.resting(0, "b"), std::nullopt);
  clock.advance(seconds(40));
  EXPECT_EQ(endpoints.resting(0, "a"), std::nullopt);
}

}  // namespace
}  // namespace samara::registry_proxy
