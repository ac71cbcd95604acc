#include "peer/link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/text.h"
#include "fake_clock.h"

namespace samara::peer {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr std::uint64_t kMiB = 1u << 20;

class LinkTest : public ::testing::Test {
 protected:
  void carry(Link& link, Traffic traffic, std::uint64_t bytes) {
    ASSERT_TRUE(link.begin(traffic, bytes).ok());
    Link::Transfer transfer(link, traffic, traffic == Traffic::kBackground ? bytes : 0);
    transfer.came(bytes);
    EXPECT_TRUE(transfer.wait({}).ok());
  }
  std::uint64_t bytes(const Link& link, Traffic traffic) {
    return link.ledger(1).days[0].bytes[static_cast<std::size_t>(traffic)];
  }

  TempDir directory_ = *TempDir::create("link");
  std::unique_ptr<cache_index::Store> store_ = *cache_index::Store::open(directory_.path() + "/db", Link::tables());
  FakeClock clock_;
  Metrics metrics_;
};

TEST_F(LinkTest, CountsByTrafficAndDayAndKeepsItOverARestart) {
  {
    Link link(*store_, clock_, metrics_, {.name = "centre"});
    carry(link, Traffic::kBlocking, 5);
    carry(link, Traffic::kBackground, kMiB);
    clock_.advance(hours(24));
    carry(link, Traffic::kIndex, 7);
  }

  const Link link(*store_, clock_, metrics_, {.name = "centre"});
  const auto ledger = link.ledger(10);

  ASSERT_EQ(ledger.days.size(), 2u);
  EXPECT_GT(ledger.days[0].date, ledger.days[1].date);
  EXPECT_EQ(ledger.days[0].total(), 7u);
  EXPECT_EQ(ledger.days[1].total(), kMiB + 5);
  EXPECT_EQ(ledger.days[1].bytes[static_cast<std::size_t>(Traffic::kBlocking)], 5u);
}

TEST_F(LinkTest, TheBackgroundNeverCarriesMoreThanTheDaysBudget) {
  Link link(*store_, clock_, metrics_, {.name = "centre", .bytes_per_day = 3 * kMiB});
  carry(link, Traffic::kBlocking, kMiB);
  ASSERT_TRUE(link.begin(Traffic::kBackground, kMiB).ok());
  Link::Transfer under_way(link, Traffic::kBackground, kMiB);

  EXPECT_TRUE(absl::IsResourceExhausted(link.begin(Traffic::kBackground, kMiB + 1)));
  carry(link, Traffic::kBackground, kMiB);
  EXPECT_TRUE(absl::IsResourceExhausted(link.begin(Traffic::kBackground, 1)));
  EXPECT_TRUE(link.ledger(1).spent);
  clock_.advance(hours(24));
  EXPECT_FALSE(link.ledger(1).spent);
  EXPECT_TRUE(link.begin(Traffic::kBackground, kMiB).ok());
  EXPECT_EQ(link.ledger(1).refused, 2u);
}

TEST_F(LinkTest, ReadsGoOnWhenTheBudgetIsUsedUpUnlessTheOperatorSaysOtherwise) {
  Link reads(*store_, clock_, metrics_, {.name = "a", .bytes_per_day = kMiB});
  Link nothing(*store_, clock_, metrics_,
               {.name = "b", .bytes_per_day = kMiB, .over_budget = Link::OverBudget::kNothing});
  carry(reads, Traffic::kBlocking, kMiB);
  carry(nothing, Traffic::kBlocking, kMiB);

  EXPECT_TRUE(reads.begin(Traffic::kBlocking, 1).ok());
  EXPECT_TRUE(reads.begin(Traffic::kRegistry, 1).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(reads.begin(Traffic::kBackground, 1)));
  EXPECT_TRUE(absl::IsResourceExhausted(nothing.begin(Traffic::kBlocking, 1)));
  EXPECT_TRUE(absl::IsResourceExhausted(nothing.begin(Traffic::kRegistry, 1)));
}

TEST_F(LinkTest, AReservationThatWasNotUsedIsGivenBack) {
  Link link(*store_, clock_, metrics_, {.name = "centre", .bytes_per_day = kMiB});
  ASSERT_TRUE(link.begin(Traffic::kBackground, kMiB).ok());
  { const Link::Transfer broken(link, Traffic::kBackground, kMiB); }

  EXPECT_TRUE(link.begin(Traffic::kBackground, kMiB).ok());
}

TEST_F(LinkTest, ABackgroundTransferThatIsStoppedWhileItWaitsForItsTurnSaysSo) {
  Link link(*store_, clock_, metrics_, {.name = "centre", .bytes_per_second = 1});
  std::stop_source stop;
  ASSERT_TRUE(link.begin(Traffic::kBackground, kMiB).ok());
  Link::Transfer transfer(link, Traffic::kBackground, kMiB);
  stop.request_stop();

  transfer.came(kMiB);
  EXPECT_TRUE(absl::IsCancelled(transfer.wait(stop.get_token())));
  EXPECT_EQ(bytes(link, Traffic::kBackground), kMiB);
}

TEST_F(LinkTest, RestsLongerAfterEachFailureAndNotAtAllOnceItAnswers) {
  Link link(*store_, clock_, metrics_, {});

  link.note(absl::UnavailableError("no route"));
  EXPECT_TRUE(link.is_resting());
  clock_.advance(seconds(1));
  EXPECT_FALSE(link.is_resting());
  link.note(absl::UnavailableError("no route"));
  clock_.advance(seconds(1));
  EXPECT_TRUE(link.is_resting());
  EXPECT_FALSE(link.ledger(1).up);
  EXPECT_EQ(link.ledger(1).error, "no route");
  link.note(absl::NotFoundError("that it has not"));
  EXPECT_FALSE(link.is_resting());
  EXPECT_TRUE(link.ledger(1).up);
}

}  // namespace
}  // namespace samara::peer
