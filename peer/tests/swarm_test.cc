#include "peer/swarm.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <libtorrent/add_torrent_params.hpp>
#include <libtorrent/session.hpp>
#include <libtorrent/session_params.hpp>
#include <libtorrent/settings_pack.hpp>
#include <libtorrent/torrent_info.hpp>

#include "peer/swarm_states.h"
#include "swarm_fixture.h"
#include "tcp_nodelay.h"

namespace samara::peer {
namespace {

const SwarmLayer& layer() {
  static const SwarmLayer made = SwarmLayer::make();
  return made;
}

/// A peer that gives whatever bytes it is told to: libtorrent itself, not looking at what its files hold.
class LyingPeer {
 public:
  LyingPeer(const SwarmLayer& layer, const std::string& bytes) {
    const std::string name = "sha256-" + layer.blob().hex();
    EXPECT_TRUE(write_file_atomic(dir_.path() + "/" + name, bytes).ok());
    lt::settings_pack pack;
    pack.set_str(lt::settings_pack::listen_interfaces, "127.0.0.1:0");
    pack.set_bool(lt::settings_pack::enable_dht, false);
    session_.emplace(lt::session_params(std::move(pack)));
    lt::add_torrent_params params;
    lt::error_code error;
    params.ti = std::make_shared<lt::torrent_info>(torrent_file(layer.blob(), layer.pieces), error, lt::from_span);
    params.save_path = dir_.path();
    params.flags = lt::torrent_flags::seed_mode;
    session_->add_torrent(std::move(params));
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(session_->listen_port()); }

 private:
  TempDir dir_ = *TempDir::create("liar");
  std::optional<lt::session> session_;
};

TEST(Swarm, BringsABlobAndItsChunksIntoTheCache) {
  SwarmMachine seed, node;
  seed.has_all_of(layer());
  ASSERT_TRUE(seed.join(layer()).ok());

  ASSERT_TRUE(node.join(layer(), {seed.address()}).ok());
  const absl::Status whole = node.wait_for(layer().blob());

  ASSERT_TRUE(whole.ok()) << whole;
  EXPECT_TRUE(node.cache->has_object(layer().blob()));
  EXPECT_EQ(read_file(node.cache->object_path(layer().blob())).value(), layer().bytes);
  EXPECT_EQ(node.cache->presence(*layer().index)->chunks, layer().index->info().chunk_count);
  EXPECT_EQ(node.cache->usage()->objects, 1u);  // the bytes lie once
  EXPECT_EQ(node.count("samara_fetched_bytes_total", {{"source", "swarm"}}), static_cast<double>(layer().bytes.size()));
}

TEST(Swarm, GivesWhatComesIntoTheCacheByOtherWays) {
  SwarmMachine site, node;
  ASSERT_TRUE(site.join(layer()).ok());
  ASSERT_TRUE(node.join(layer(), {site.address()}).ok());

  for (std::uint32_t i = 0; i < layer().index->info().chunk_count; ++i) {
    site.has_chunk_of(layer(), i, layer().blob());
    site.swarm->look_again(layer().blob());
  }

  EXPECT_TRUE(node.wait_for(layer().blob()).ok());
  EXPECT_TRUE(site.wait_for(layer().blob()).ok());
  EXPECT_TRUE(site.cache->has_object(layer().blob()));
  EXPECT_EQ(read_file(node.cache->object_path(layer().blob())).value(), layer().bytes);
  EXPECT_EQ(site.count("samara_fetched_bytes_total", {{"source", "swarm"}}), 0);
}

TEST(Swarm, SaysWhatItSharesInLinesThatAProgramReads) {
  SwarmMachine seed;
  seed.has_all_of(layer());
  ASSERT_TRUE(seed.join(layer()).ok());

  const std::string text = encode(seed.swarm->states());

  EXPECT_TRUE(text.starts_with("blob " + layer().blob().to_string() + "\npieces ")) << text;
  EXPECT_NE(text.find("\nuploaded 0\n"), std::string::npos) << text;
  EXPECT_TRUE(text.ends_with("\n\n")) << text;
}

TEST(Swarm, PassesOnWhatCameFromOthers) {
  SwarmMachine seed, middle, last;
  seed.has_all_of(layer());
  ASSERT_TRUE(seed.join(layer()).ok());
  ASSERT_TRUE(middle.join(layer(), {seed.address()}).ok());

  ASSERT_TRUE(last.join(layer(), {middle.address()}).ok());  // which has nothing yet

  EXPECT_TRUE(last.wait_for(layer().blob()).ok());
  EXPECT_EQ(read_file(last.cache->object_path(layer().blob())).value(), layer().bytes);
}

TEST(Swarm, DoesntFetchPiecesThatAnotherBlobsChunksCover) {
  SwarmMachine seed, node;
  seed.has_all_of(layer());
  ASSERT_TRUE(seed.join(layer()).ok());
  const std::uint32_t half = layer().index->info().chunk_count / 2;
  for (std::uint32_t i = 0; i < half; ++i) node.has_chunk_of(layer(), i, cache_index::sha256(as_bytes("another blob")));

  ASSERT_TRUE(node.join(layer(), {seed.address()}).ok());
  ASSERT_TRUE(node.wait_for(layer().blob()).ok());

  const double covered = static_cast<double>(layer().index->chunk(half).value().blob_offset);
  const double pieces = std::floor(covered / layer().pieces.piece_size()) * layer().pieces.piece_size();
  EXPECT_GT(pieces, 0);
  EXPECT_LE(node.count("samara_fetched_bytes_total", {{"source", "swarm"}}),
            static_cast<double>(layer().bytes.size()) - pieces);
  EXPECT_EQ(read_file(node.cache->object_path(layer().blob())).value(), layer().bytes);
}

TEST(Swarm, GoesOnAfterARestartWithoutFetchingAgain) {
  SwarmMachine seed, node;
  seed.has_all_of(layer());
  ASSERT_TRUE(seed.join(layer()).ok());
  ASSERT_TRUE(node.join(layer(), {seed.address()}).ok());
  ASSERT_TRUE(node.wait_for(layer().blob()).ok());
  node.stop();
  seed.stop();

  node.start();
  const auto remembered = node.swarm->remembered();

  ASSERT_EQ(remembered.size(), 1u);
  EXPECT_EQ(remembered[0].first, layer().blob());
  EXPECT_EQ(remembered[0].second, layer().pieces);
  ASSERT_TRUE(node.join(layer()).ok());
  EXPECT_TRUE(node.swarm->state(layer().blob())->complete());
  SwarmMachine late;
  ASSERT_TRUE(late.join(layer(), {node.address()}).ok());
  EXPECT_TRUE(late.wait_for(layer().blob()).ok());
}

TEST(Swarm, GetsTheRightBytesThoughAPeerGivesWrongOnes) {
  const LyingPeer liar(layer(), std::string(layer().bytes.size(), '?'));
  SwarmMachine seed, node;
  seed.has_all_of(layer());
  ASSERT_TRUE(seed.join(layer()).ok());

  ASSERT_TRUE(node.join(layer(), {liar.address(), seed.address()}).ok());
  const absl::Status whole = node.wait_for(layer().blob());

  ASSERT_TRUE(whole.ok()) << whole;
  EXPECT_EQ(read_file(node.cache->object_path(layer().blob())).value(), layer().bytes);
}

TEST(Swarm, KeepsNothingWhenThePiecesAreThoseOfOtherBytes) {
  SwarmLayer wrong = SwarmLayer::make(7);
  wrong.bytes[100] = static_cast<char>(wrong.bytes[100] ^ 1);  // somebody says that these are the blob's
  wrong.pieces = SwarmLayer::pieces_of(wrong.bytes);
  const LyingPeer peer(wrong, wrong.bytes);
  SwarmMachine node;

  ASSERT_TRUE(node.join(wrong, {peer.address()}).ok());
  const absl::Status whole = node.wait_for(wrong.blob());

  EXPECT_TRUE(absl::IsDataLoss(whole)) << whole;
  EXPECT_FALSE(node.cache->has_object(wrong.blob()));
  EXPECT_FALSE(node.swarm->has_joined(wrong.blob()));
  EXPECT_FALSE(node.cache->has_chunk(wrong.index->chunk(0).value().digest));
  EXPECT_TRUE(node.cache->has_chunk(wrong.index->chunk(2).value().digest));  // chunks stand for themselves
}

TEST(Swarm, RefusesWhatIsNothingForASwarm) {
  SwarmMachine node;

  EXPECT_FALSE(node.swarm->join({.digest = layer().blob(), .pieces = {.size = 1000, .hashes = std::string(32, 'x')}, .index = nullptr, .trackers = {}, .peers = {}}).ok());
  EXPECT_TRUE(absl::IsNotFound(node.swarm->state(layer().blob()).status()));
}

TEST(Swarm, SaysWhichAddressItCantListenOn) {
  SwarmMachine first;
  Metrics metrics;

  const auto second = Swarm::create(*first.cache, metrics, {.listen = first.address(), .on_complete = {}});

  ASSERT_FALSE(second.ok());
  EXPECT_NE(std::string(second.status().message()).find(first.address()), std::string::npos) << second.status();
}

TEST(Swarm, PausedBlobsGiveNothingUntilResumed) {
  SwarmMachine seed, node;
  seed.has_all_of(layer());
  ASSERT_TRUE(seed.join(layer()).ok());
  seed.swarm->pause(layer().blob());
  EXPECT_TRUE(seed.swarm->state(layer().blob())->paused);

  seed.swarm->resume(layer().blob());
  ASSERT_TRUE(node.join(layer(), {seed.address()}).ok());

  EXPECT_TRUE(node.wait_for(layer().blob()).ok());
}

TEST(TcpNodelay, IsOnForEverySocketThatLibtorrentMakes) {
  use_tcp_nodelay();
  const auto as_libtorrent_finds_it = reinterpret_cast<int (*)(int, int, int)>(::dlsym(RTLD_DEFAULT, "socket"));

  const Fd socket(as_libtorrent_finds_it(AF_INET, SOCK_STREAM, 0));

  int on = 0;
  socklen_t size = sizeof on;
  ASSERT_EQ(::getsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
  EXPECT_NE(on, 0);
}

}  // namespace
}  // namespace samara::peer
