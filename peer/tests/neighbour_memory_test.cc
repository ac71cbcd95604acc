#include "neighbour_memory.h"

#include <gmock/gmock.h>

#include "base/file.h"
#include "base/text.h"
#include "cache_index/cache.h"
#include "cache_index/hasher.h"
#include "fake_clock.h"

namespace samara::peer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

const std::string kSite = "http://10.0.0.9:7700", kOldSite = "http://10.0.0.8:7700";
const std::string kKey(cache_index::kPublicKeyBytes, 'k');

Digest blob(int i) {
  const std::string name = str_cat("blob ", i);
  return cache_index::sha256(as_bytes(name));
}

NeighbourList list_of(std::vector<std::string> urls) {
  return {.public_key = kKey, .ticket = "99.ab", .self = "http://10.0.0.1:7703", .urls = std::move(urls)};
}

struct NeighbourMemoryTest : ::testing::Test {
  NeighbourMemoryTest() : store(*cache_index::Store::open(dir.path() + "/db", NeighbourMemory::tables())) {}
  NeighbourMemory::Known load() { return NeighbourMemory(*store, clock).load({kSite}); }

  TempDir dir = *TempDir::create("neighbour_memory");
  std::unique_ptr<cache_index::Store> store;
  FakeClock clock;
  NeighbourMemory memory{*store, clock};
};

TEST_F(NeighbourMemoryTest, KeepsWhatSitesSaidForAnotherRun) {
  memory.remember(blob(1), list_of({"http://10.0.0.1:7703", "http://10.0.0.2:7703"}));
  memory.remember_key(kSite, kKey);
  memory.remember_key(kOldSite, kKey);

  const NeighbourMemory::Known known = load();

  EXPECT_THAT(known.keys, ElementsAre(Pair(kSite, kKey)));  // the other one isn't a site of this node any more
  ASSERT_THAT(known.blobs, SizeIs(1));
  const NeighbourList& list = known.blobs.at(blob(1));
  EXPECT_THAT(list.urls, ElementsAre("http://10.0.0.1:7703", "http://10.0.0.2:7703"));
  EXPECT_EQ(list.ticket, "99.ab");
  EXPECT_EQ(list.self, "http://10.0.0.1:7703");
}

TEST_F(NeighbourMemoryTest, ForgetsWhatIsOlderThanATicketLasts) {
  memory.remember(blob(1), list_of({}));
  clock.advance(NeighbourMemory::kOldest - std::chrono::seconds(1));
  memory.remember(blob(2), list_of({}));

  EXPECT_THAT(load().blobs, SizeIs(2));
  clock.advance(std::chrono::seconds(1));
  EXPECT_THAT(load().blobs, ElementsAre(Pair(blob(2), ::testing::_)));
  EXPECT_THAT(store->get("neighbours", str_cat("blob ", blob(1).to_string())).status(), ::testing::Truly(absl::IsNotFound));
}

TEST_F(NeighbourMemoryTest, KeepsABoundedNumberOfBlobsTheLatest) {
  const int more = static_cast<int>(NeighbourMemory::kMostBlobs) + 1;
  for (int i = 0; i < more; ++i) {
    memory.remember(blob(i), list_of({}));
    clock.advance(std::chrono::seconds(1));
  }

  const NeighbourMemory::Known known = load();

  EXPECT_THAT(known.blobs, SizeIs(NeighbourMemory::kMostBlobs));
  EXPECT_FALSE(known.blobs.contains(blob(0)));
  EXPECT_TRUE(known.blobs.contains(blob(more - 1)));
}

TEST_F(NeighbourMemoryTest, WritesWhatChangesOftenOnceAMinute) {
  memory.remember(blob(1), list_of({"http://10.0.0.1:7703"}));
  memory.remember(blob(1), list_of({"http://10.0.0.2:7703"}));
  EXPECT_THAT(load().blobs.at(blob(1)).urls, ElementsAre("http://10.0.0.1:7703"));

  clock.advance(NeighbourMemory::kPause);
  memory.remember(blob(1), list_of({"http://10.0.0.2:7703"}));
  EXPECT_THAT(load().blobs.at(blob(1)).urls, ElementsAre("http://10.0.0.2:7703"));
}

TEST_F(NeighbourMemoryTest, TakesADamagedRowForNone) {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"blob nonsense", "1\n\n"}, {str_cat("blob ", blob(1).to_string()), "x\n\nkey 0\n\n"}, {"key " + kSite, "zz"}, {"what", "ever"}};
  for (const auto& [key, value] : rows) ASSERT_TRUE(store->write({{"neighbours", key, value}}).ok());

  const NeighbourMemory::Known known = load();

  EXPECT_THAT(known.blobs, IsEmpty());
  EXPECT_THAT(known.keys, IsEmpty());
}

}  // namespace
}  // namespace samara::peer
