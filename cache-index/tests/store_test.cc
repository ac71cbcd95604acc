#include "cache_index/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"

namespace samara::cache_index {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;

class StoreTest : public ::testing::Test {
 protected:
  std::unique_ptr<Store> open(const std::vector<std::string>& tables) {
    auto store = Store::open(path_, tables);
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }

  TempDir dir_ = *TempDir::create("store");
  const std::string path_ = dir_.path() + "/db";
};

TEST_F(StoreTest, KeepsRowsOfABatchOverSeveralTables) {
  auto store = open({"trees", "seeds"});

  ASSERT_TRUE(store->write({{"trees", "maple", "tall"}, {"seeds", "samara", "winged"}}).ok());
  store.reset();
  store = open({"trees", "seeds"});

  EXPECT_EQ(store->get("trees", "maple").value(), "tall");
  EXPECT_EQ(store->get("seeds", "samara").value(), "winged");
  EXPECT_TRUE(absl::IsNotFound(store->get("trees", "samara").status()));
}

TEST_F(StoreTest, DeletesInTheSameBatchAsItWrites) {
  const auto store = open({"trees"});
  ASSERT_TRUE(store->write({{"trees", "elm", "here"}}).ok());

  ASSERT_TRUE(store->write({{"trees", "elm", std::nullopt}, {"trees", "oak", "here"}}, Store::Sync::kYes).ok());

  EXPECT_TRUE(absl::IsNotFound(store->get("trees", "elm").status()));
  EXPECT_EQ(store->get("trees", "oak").value(), "here");
}

TEST_F(StoreTest, AnswersManyKeysInTheirOrder) {
  const auto store = open({"trees"});
  ASSERT_TRUE(store->write({{"trees", "a", "1"}, {"trees", "b", "2"}}).ok());

  const auto rows = store->multi_get("trees", {"b", "none", "a"});

  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_THAT(*rows, ElementsAre(Optional(std::string("2")), std::nullopt, Optional(std::string("1"))));
}

TEST_F(StoreTest, ScansAPrefixInKeyOrderUntilTold) {
  const auto store = open({"trees"});
  ASSERT_TRUE(store->write({{"trees", "b2", ""}, {"trees", "b1", ""}, {"trees", "a", ""}, {"trees", "b3", ""}}).ok());
  std::vector<std::string> seen;

  const auto status = store->scan("trees", "b", [&](std::string_view key, std::string_view) {
    seen.emplace_back(key);
    return seen.size() < 2;
  });

  ASSERT_TRUE(status.ok()) << status;
  EXPECT_THAT(seen, ElementsAre("b1", "b2"));
}

TEST_F(StoreTest, OpensAndKeepsTablesThatItWasNotAskedFor) {
  ASSERT_TRUE(open({"trees", "from_the_future"})->write({{"from_the_future", "k", "v"}}).ok());

  open({"trees"}).reset();

  EXPECT_EQ(open({"trees", "from_the_future"})->get("from_the_future", "k").value(), "v");
}

TEST_F(StoreTest, RefusesASecondOpenerAndNamesThePath) {
  const auto first = open({"trees"});

  const auto second = Store::open(path_, {"trees"});

  EXPECT_TRUE(absl::IsUnavailable(second.status())) << second.status();
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(path_));
}

TEST_F(StoreTest, KnowsOnlyItsTables) {
  const auto store = open({"trees"});

  EXPECT_TRUE(absl::IsInvalidArgument(store->get("rivers", "k").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(store->write({{"rivers", "k", "v"}})));
}

}  // namespace
}  // namespace samara::cache_index
