// Members of a swarm that behave badly: everybody else still ends with the right bytes.
#include <bit>
#include <condition_variable>
#include <mutex>

#include "swarm_fixture.h"
#include "wire_peer.h"

namespace samara::peer {
namespace {

using std::chrono::seconds;

const SwarmLayer& layer() {
  static const SwarmLayer made = SwarmLayer::make();
  return made;
}

std::string key() { return tracker_key(infohash(layer().blob(), layer().pieces)); }

/// The blob's name in hash requests, out of the torrent.
std::string pieces_root() {
  const std::string info = info_dictionary(layer().blob(), layer().pieces), before = "11:pieces root32:";
  return info.substr(info.find(before) + before.size(), 32);
}

Swarm::Options impatient() {
  Swarm::Options options;
  options.patience = seconds(1);
  return options;
}

/// Something that happens once, and is waited for.
class Event {
 public:
  void happens() {
    const std::lock_guard lock(mutex_);
    happened_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return happened_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool happened_ = false;
};

/// A node that meets the hostile peer first, and a good seed once it has asked that peer for something.
class HostilePeers : public ::testing::Test {
 protected:
  void SetUp() override {
    seed_.has_all_of(layer());
    ASSERT_TRUE(seed_.join(layer()).ok());
  }
  void meets(const HostilePeer& hostile, Event& asked) {
    ASSERT_TRUE(node_.join(layer(), {hostile.address()}).ok());
    asked.wait();
    ASSERT_TRUE(node_.join(layer(), {seed_.address()}).ok());
  }
  void expect_whole(SwarmMachine& machine) {
    const absl::Status whole = machine.wait_for(layer().blob());
    ASSERT_TRUE(whole.ok()) << whole;
    EXPECT_EQ(read_file(machine.cache->object_path(layer().blob())).value(), layer().bytes);
  }

  SwarmMachine seed_, node_{impatient()};
};

TEST_F(HostilePeers, ThatStallAreDoneWithout) {
  Event asked;
  const HostilePeer hostile(key(), layer().pieces.count(), [&](WirePeer& peer) {
    while (const auto message = peer.next())
      if (message->message == WirePeer::kRequest) asked.happens();  // and that is all
  });

  meets(hostile, asked);

  expect_whole(node_);
}

TEST_F(HostilePeers, ThatClaimWhatTheyHaventGotAreDoneWithout) {
  Event asked;
  const HostilePeer hostile(key(), layer().pieces.count(), [&](WirePeer& peer) {
    while (const auto message = peer.next()) {
      if (message->message != WirePeer::kRequest) continue;
      asked.happens();
      peer.send(WirePeer::kReject, message->payload);
    }
  });

  meets(hostile, asked);

  expect_whole(node_);
}

TEST_F(HostilePeers, ThatGiveWrongBytesAreDropped) {
  Event asked, dropped;
  const HostilePeer hostile(key(), layer().pieces.count(), [&](WirePeer& peer) {
    while (const auto message = peer.next()) {
      if (message->message != WirePeer::kRequest) continue;
      asked.happens();
      peer.send(WirePeer::kPiece, message->payload.substr(0, 8) + std::string(WirePeer::kBlock, '?'));
    }
    dropped.happens();
  });

  meets(hostile, asked);

  expect_whole(node_);
  dropped.wait();
  EXPECT_GE(node_.count("samara_swarm_wrong_pieces_total"), 1);
}

TEST_F(HostilePeers, ThatFloodRequestsAreDropped) {
  WirePeer flood = WirePeer::connect(seed_.address());
  ASSERT_TRUE(flood.greet(key()) && flood.hears_greeting() && flood.send(WirePeer::kHaveNone) && flood.send(WirePeer::kInterested));
  while (const auto message = flood.next())
    if (message->message == WirePeer::kUnchoke) break;

  const std::string request = WirePeer::framed(WirePeer::kRequest, WirePeer::block_request(0, 0));
  std::string many;
  for (int i = 0; i < 1'000; ++i) many += request;
  std::size_t sent = 0;
  while (sent < 1'000'000 && flood.send(many)) sent += 1'000;  // and nothing is read

  EXPECT_LT(sent, 1'000'000u);
  EXPECT_EQ(seed_.count("samara_swarm_dropped_peers_total"), 1);
  ASSERT_TRUE(node_.join(layer(), {seed_.address()}).ok());
  expect_whole(node_);
}

TEST_F(HostilePeers, ThatDontTakeWhatTheyAskForAreDropped) {
  WirePeer flood = WirePeer::connect(seed_.address());
  ASSERT_TRUE(flood.greet(key()));
  const std::string root = pieces_root();
  // Every one is answered by a thousand times as many bytes (BEP 52): hashes of all pieces.
  const std::uint32_t width = std::bit_ceil(layer().pieces.count());
  const std::string request = WirePeer::framed(
      WirePeer::kHashRequest, root + WirePeer::number(4) + WirePeer::number(0) + WirePeer::number(width) + WirePeer::number(0));
  std::string many;
  for (int i = 0; i < 1'000; ++i) many += request;

  std::size_t sent = 0;
  while (sent < 1'000'000 && flood.send(many)) sent += 1'000;

  EXPECT_LT(sent, 1'000'000u);
  EXPECT_EQ(seed_.count("samara_swarm_dropped_peers_total"), 1);
  ASSERT_TRUE(node_.join(layer(), {seed_.address()}).ok());
  expect_whole(node_);
}

TEST_F(HostilePeers, ThatSpeakNonsenseAreDropped) {
  for (const std::string& nonsense : {std::string(500, '\xff'), std::string("GET / HTTP/1.1\r\n\r\n") + std::string(60, ' ')}) {
    WirePeer peer = WirePeer::connect(seed_.address());
    peer.send(nonsense);
    EXPECT_EQ(peer.drain(), 0u);
  }
  WirePeer huge = WirePeer::connect(seed_.address());
  ASSERT_TRUE(huge.greet(key()) && huge.hears_greeting());

  huge.send(WirePeer::number(0xfffffff0) + "\x07");  // a message of 4 GiB

  huge.drain();  // ends
  ASSERT_TRUE(node_.join(layer(), {seed_.address()}).ok());
  expect_whole(node_);
}

}  // namespace
}  // namespace samara::peer
