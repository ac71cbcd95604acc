#include "peer/siblings.h"

#include <gtest/gtest.h>

#include <set>

#include "base/text.h"
#include "cache_index/hasher.h"
#include "fake_clock.h"

namespace samara::peer {
namespace {

const std::vector<std::string> kUrls = {"http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3"};

Digest blob(int i) {
  const std::string name = str_cat("blob ", i);
  return cache_index::sha256(as_bytes(name));
}

class SiblingsTest : public ::testing::Test {
 protected:
  std::unique_ptr<Siblings> at(const std::string& self) {
    return std::make_unique<Siblings>(client_, Siblings::Options{.self = self, .urls = kUrls}, SiteAccess(), clock_);
  }
  http::Client client_;
  FakeClock clock_;
};

TEST_F(SiblingsTest, ElectExactlyOneSiteForABlobAndEachForSome) {
  std::vector<std::unique_ptr<Siblings>> sites;
  for (const std::string& url : kUrls) sites.push_back(at(url));
  std::set<std::size_t> elected;

  for (int i = 0; i < 60; ++i) {
    std::multiset<std::size_t> before;
    for (std::size_t site = 0; site < sites.size(); ++site) {
      before.insert(sites[site]->before_us(blob(i)).size());
      if (before.count(0) == 1 && sites[site]->before_us(blob(i)).empty()) elected.insert(site);
    }
    EXPECT_EQ(before, (std::multiset<std::size_t>{0, 1, 2}));
  }
  EXPECT_EQ(elected.size(), kUrls.size());
}

TEST_F(SiblingsTest, PassOverOneThatDoesNotAnswerUntilItHasRested) {
  const auto siblings = at(kUrls[0]);
  int i = 0;
  while (siblings->before_us(blob(i)).size() != 1) ++i;
  SiteClient* const elected = siblings->before_us(blob(i)).front();

  siblings->note(elected, absl::UnavailableError("no route"));
  EXPECT_TRUE(siblings->before_us(blob(i)).empty());
  clock_.advance(std::chrono::seconds(1));
  EXPECT_EQ(siblings->before_us(blob(i)).size(), 1u);
}

TEST_F(SiblingsTest, GiveNothingOfWhatIsOursToBring) {
  const auto siblings = at(kUrls[0]);
  int i = 0;
  while (!siblings->before_us(blob(i)).empty()) ++i;

  const absl::Status status = siblings->fetch(blob(i), {0, 10}, {}, [](auto) { return absl::OkStatus(); });

  EXPECT_TRUE(absl::IsNotFound(status));
}

}  // namespace
}  // namespace samara::peer
