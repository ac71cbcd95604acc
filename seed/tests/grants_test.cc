#include "seed/grants.h"

#include <gtest/gtest.h>

#include "fake_clock.h"

namespace samara::seed {
namespace {

using std::chrono::hours;

class GrantsTest : public ::testing::Test {
 protected:
  FakeClock clock_;
  const Grants grants_{std::string(32, 's'), clock_, hours(1)};
  const std::string swarm_ = std::string("swarm\0with twenty byt", 20);
};

// RFC 4231, test cases 2 and 6.
TEST(Hmac, IsThatOfTheStandard) {
  EXPECT_EQ(hmac("Jefe", "what do ya want for nothing?").hex(),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hmac(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First").hex(),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST_F(GrantsTest, LetInWhoeverTheyWereIssuedTo) {
  EXPECT_TRUE(grants_.check(grants_.issue(swarm_, "10.0.0.1"), swarm_, "10.0.0.1").ok());
}

TEST_F(GrantsTest, AreForOneNodeAndOneBlob) {
  const std::string token = grants_.issue(swarm_, "10.0.0.1");

  EXPECT_TRUE(absl::IsPermissionDenied(grants_.check(token, swarm_, "10.0.0.2")));
  EXPECT_TRUE(absl::IsPermissionDenied(grants_.check(token, std::string(20, 'x'), "10.0.0.1")));
}

TEST_F(GrantsTest, RunOut) {
  const std::string token = grants_.issue(swarm_, "10.0.0.1");
  clock_.advance(hours(1));
  EXPECT_TRUE(grants_.check(token, swarm_, "10.0.0.1").ok());

  clock_.advance(std::chrono::seconds(1));

  EXPECT_TRUE(absl::IsPermissionDenied(grants_.check(token, swarm_, "10.0.0.1")));
}

TEST_F(GrantsTest, CantBeMadeUpOrProlonged) {
  const std::string token = grants_.issue(swarm_, "10.0.0.1");
  const std::string later = "9" + token;
  const Grants others(Grants::random_secret(), clock_);

  for (const std::string& wrong : {std::string(), std::string("."), std::string("x"), later, token + "0",
                                   token.substr(0, token.size() - 1), others.issue(swarm_, "10.0.0.1")}) {
    EXPECT_TRUE(absl::IsPermissionDenied(grants_.check(wrong, swarm_, "10.0.0.1"))) << wrong;
  }
}

}  // namespace
}  // namespace samara::seed
