#include "seed/blob_readers.h"

#include <gmock/gmock.h>

#include "base/file.h"
#include "base/text.h"
#include "cache_index/hasher.h"
#include "peer/neighbour_protocol.h"

namespace samara::seed {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

const Digest kBlob = cache_index::sha256(as_bytes("a blob"));

struct BlobReadersTest : ::testing::Test {
  BlobReaders::Told ask(const std::string& url) { return *readers.ask(kBlob, url, now); }

  BlobReaders::TimePoint now{std::chrono::hours(1)};
  BlobReaders readers{{.max_blobs = 2, .max_nodes = 3'000, .max_nodes_of_address = 5'000}};
};

TEST_F(BlobReadersTest, ForgetsBlobsThatNobodyReadsWhenThereAreMany) {
  ask("http://10.0.0.1:1");
  const Digest second = cache_index::sha256(as_bytes("2")), third = cache_index::sha256(as_bytes("3"));
  EXPECT_TRUE(readers.ask(second, "http://10.0.0.1:1", now).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(readers.ask(third, "http://10.0.0.1:1", now).status()));

  now += std::chrono::hours(1);

  EXPECT_TRUE(readers.ask(third, "http://10.0.0.1:1", now).ok());
  EXPECT_FALSE(readers.knows(kBlob));
}

TEST_F(BlobReadersTest, IsAskedLessAndLessWhileNobodyNewComes) {
  using std::chrono::seconds;
  std::vector<seconds> told;
  for (int i = 0; i < 7; ++i) {
    told.push_back(ask("http://10.0.0.1:1").ask_again);
    now += told.back();
  }
  EXPECT_THAT(told, ElementsAre(seconds(3), seconds(3), seconds(6), seconds(12), seconds(24), seconds(48), seconds(96)));

  ask("http://10.0.0.2:1");

  EXPECT_EQ(ask("http://10.0.0.1:1").ask_again, seconds(3));
}

TEST_F(BlobReadersTest, TellsEverybodyTheSameOfMany) {
  for (int i = 1; i <= 1'500; ++i) ask(str_cat("http://10.0.0.1:", i));

  const BlobReaders::Told first = ask("http://10.0.0.1:1"), last = ask("http://10.0.0.1:1500");

  EXPECT_THAT(first.urls, SizeIs(peer::kMostNeighbours));
  EXPECT_EQ(first.urls, last.urls);
}

}  // namespace
}  // namespace samara::seed
