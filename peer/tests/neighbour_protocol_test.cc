#include "peer/neighbour_protocol.h"

#include <gmock/gmock.h>

#include "base/file.h"
#include "cache_index/hasher.h"

namespace samara::peer {
namespace {

using std::chrono::seconds;
using std::chrono::sys_seconds;
using ::testing::ElementsAre;
using ::testing::SizeIs;

const Digest kBlob = cache_index::sha256(as_bytes("a blob")), kOther = cache_index::sha256(as_bytes("another"));

NeighbourList sample() {
  return {.public_key = std::string(32, '\x7f'),
          .ticket = "12.ab",
          .self = "http://10.0.0.2:7703",
          .ask_again = seconds(3),
          .urls = {"http://10.0.0.1:7703", "https://[fd00::1]:7703"}};
}

TEST(NeighbourList, SurvivesTheWire) {
  const absl::StatusOr<NeighbourList> list = decode_neighbour_list(encode(sample()));

  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_EQ(list->public_key, sample().public_key);
  EXPECT_EQ(list->ticket, "12.ab");
  EXPECT_EQ(list->self, "http://10.0.0.2:7703");
  EXPECT_EQ(list->ask_again, seconds(3));
  EXPECT_THAT(list->urls, ElementsAre("http://10.0.0.1:7703", "https://[fd00::1]:7703"));
}

TEST(NeighbourList, IsRefusedWhenItSendsNodesElsewhere) {
  for (const char* url : {"http://example.com:80", "ftp://10.0.0.1:21", "http://10.0.0.1", "http://10.0.0.1:0",
                          "http://10.0.0.1:70000", "http://user@10.0.0.1:80", "http://10.0.0.1:80/path", ""}) {
    NeighbourList list = sample();
    list.urls = {url};
    EXPECT_TRUE(absl::IsInvalidArgument(decode_neighbour_list(encode(list)).status())) << url;
    list = sample();
    list.self = url;
    EXPECT_TRUE(absl::IsInvalidArgument(decode_neighbour_list(encode(list)).status())) << url;
  }
}

TEST(NeighbourList, IsBounded) {
  NeighbourList list = sample();
  list.urls.assign(kMostNeighbours + 1, "http://10.0.0.1:7703");
  list.ask_again = std::chrono::hours(1000);

  const absl::StatusOr<NeighbourList> read = decode_neighbour_list(encode(list));

  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_THAT(read->urls, SizeIs(kMostNeighbours));
  EXPECT_EQ(read->ask_again, std::chrono::hours(1));
}

TEST(NeighbourUrl, HasTheAddressThatWasSeen) {
  EXPECT_EQ(*neighbour_url("http://0.0.0.0:7703", "10.0.0.1"), "http://10.0.0.1:7703");
  EXPECT_EQ(*neighbour_url("https://[::]:1", "fd00::1"), "https://[fd00::1]:1");
  for (const char* url : {"", "http://", "http://:", "http://x:y", "7703"}) EXPECT_FALSE(neighbour_url(url, "10.0.0.1").ok()) << url;
}

struct Ticket : ::testing::Test {
  TempDir dir = *TempDir::create("ticket");
  const cache_index::SigningKey key = *cache_index::SigningKey::load_or_create(dir.path() + "/a");
  const cache_index::SigningKey other = *cache_index::SigningKey::load_or_create(dir.path() + "/b");
  const sys_seconds until{seconds(1000)};
  const std::string ticket = sign_ticket(key, kBlob, "10.0.0.1", until);
};

TEST_F(Ticket, IsForOneNodeOneBlobAndSomeTime) {
  const std::vector<std::string> keys = {other.public_key(), key.public_key()};

  EXPECT_TRUE(check_ticket(ticket, keys, kBlob, "10.0.0.1", until).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(check_ticket(ticket, keys, kBlob, "10.0.0.2", until)));
  EXPECT_TRUE(absl::IsPermissionDenied(check_ticket(ticket, keys, kOther, "10.0.0.1", until)));
  EXPECT_TRUE(absl::IsPermissionDenied(check_ticket(ticket, keys, kBlob, "10.0.0.1", until + seconds(1))));
}

TEST_F(Ticket, CantBeMadeUpOrProlonged) {
  for (const std::string& wrong : {std::string(), std::string("."), "9" + ticket, ticket + "00", ticket.substr(1),
                                   "1000." + std::string(128, '0'), "1000." + std::string(128, 'x')}) {
    EXPECT_TRUE(absl::IsPermissionDenied(check_ticket(wrong, {key.public_key()}, kBlob, "10.0.0.1", until))) << wrong;
  }
  EXPECT_TRUE(absl::IsPermissionDenied(check_ticket(ticket, {other.public_key()}, kBlob, "10.0.0.1", until)));
  EXPECT_TRUE(absl::IsPermissionDenied(check_ticket(ticket, {}, kBlob, "10.0.0.1", until)));
}

}  // namespace
}  // namespace samara::peer
