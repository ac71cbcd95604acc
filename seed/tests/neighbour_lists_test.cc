#include "seed/neighbour_lists.h"

#include <gmock/gmock.h>

#include "base/file.h"
#include "base/text.h"
#include "cache_index/hasher.h"
#include "fake_clock.h"

namespace samara::seed {
namespace {

using std::chrono::seconds;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

struct NeighbourListsTest : ::testing::Test {
  std::unique_ptr<cache_index::Cache> cache_here() {
    auto opened = cache_index::Cache::open({.root = dir.path() + "/cache"});
    EXPECT_TRUE(opened.ok()) << opened.status();
    EXPECT_TRUE((*opened)->put_object(blob, as_bytes(bytes)).ok());
    return *std::move(opened);
  }
  cache_index::SigningKey key() { return *cache_index::SigningKey::load_or_create(dir.path() + "/key"); }
  std::vector<std::string> urls(std::string_view address) {
    const auto list = lists.list(blob, kUrl, address);
    EXPECT_TRUE(list.ok()) << list.status();
    return list.ok() ? list->urls : std::vector<std::string>();
  }

  static constexpr std::string_view kUrl = "http://0.0.0.0:7703";
  const std::string bytes = "the bytes of a blob";
  const Digest blob = cache_index::sha256(as_bytes(bytes));
  TempDir dir = *TempDir::create("neighbours");
  FakeClock clock;
  std::unique_ptr<cache_index::Cache> cache = cache_here();
  NeighbourLists lists{*cache, clock, key(), {.readers = {.max_nodes = 20, .max_nodes_of_address = 2}}};
};

TEST_F(NeighbourListsTest, TellsNodesOfEachOther) {
  EXPECT_THAT(urls("10.0.0.1"), ElementsAre("http://10.0.0.1:7703"));
  EXPECT_THAT(urls("10.0.0.2"), UnorderedElementsAre("http://10.0.0.1:7703", "http://10.0.0.2:7703"));
  EXPECT_THAT(urls("10.0.0.1"), SizeIs(2));
}

TEST_F(NeighbourListsTest, GivesATicketThatOthersBelieve) {
  const auto list = lists.list(blob, kUrl, "10.0.0.1");

  ASSERT_TRUE(list.ok()) << list.status();
  const auto now = std::chrono::floor<seconds>(clock.wall_now());
  EXPECT_TRUE(peer::check_ticket(list->ticket, {list->public_key}, blob, "10.0.0.1", now).ok());
  EXPECT_FALSE(peer::check_ticket(list->ticket, {list->public_key}, blob, "10.0.0.1", now + std::chrono::hours(25)).ok());
}

TEST_F(NeighbourListsTest, ForgetsWhoDoesntAskAgain) {
  const seconds soon = lists.list(blob, kUrl, "10.0.0.1")->ask_again;
  clock.advance(2 * soon);
  EXPECT_THAT(urls("10.0.0.2"), Contains("http://10.0.0.1:7703"));
  clock.advance(2 * soon);
  EXPECT_THAT(urls("10.0.0.2"), ElementsAre("http://10.0.0.2:7703"));
}

TEST_F(NeighbourListsTest, IsAskedRarelyOnceNobodyNewComes) {
  EXPECT_EQ(lists.list(blob, kUrl, "10.0.0.1")->ask_again, seconds(3));
  clock.advance(seconds(121));
  EXPECT_EQ(lists.list(blob, kUrl, "10.0.0.1")->ask_again, seconds(3));  // it was forgotten, so it is new
  for (int i = 0; i < 31; ++i) {
    clock.advance(seconds(4));
    urls("10.0.0.1");
  }
  EXPECT_EQ(lists.list(blob, kUrl, "10.0.0.1")->ask_again, seconds(120));
}

TEST_F(NeighbourListsTest, IsBoundedAndNamesNobodyElse) {
  EXPECT_TRUE(absl::IsNotFound(lists.list(cache_index::sha256(as_bytes("unknown")), kUrl, "10.0.0.1").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(lists.list(blob, "gopher://10.0.0.9:1", "10.0.0.1").status()));
  for (int port = 1; port <= 5; ++port) EXPECT_TRUE(lists.list(blob, str_cat("http://10.0.0.9:", port), "10.0.0.1").ok());
  EXPECT_THAT(urls("10.0.0.2"), UnorderedElementsAre("http://10.0.0.1:1", "http://10.0.0.1:2", "http://10.0.0.2:7703"));
  for (int i = 10; i < 50; ++i) urls(str_cat("10.0.0.", i));
  EXPECT_THAT(urls("10.0.0.2"), SizeIs(20));
}

}  // namespace
}  // namespace samara::seed
