// Swarms whose members show each other certificates, and those who have none or another's.
#include <libtorrent/add_torrent_params.hpp>
#include <libtorrent/alert_types.hpp>
#include <libtorrent/session.hpp>
#include <libtorrent/session_params.hpp>
#include <libtorrent/settings_pack.hpp>
#include <libtorrent/torrent_info.hpp>
#include <libtorrent/torrent_status.hpp>

#include "swarm_certificates.h"
#include "swarm_fixture.h"
#include "test_authority.h"
#include "wire_peer.h"

namespace samara::peer {
namespace {

const SwarmLayer& layer() {
  static const SwarmLayer made = SwarmLayer::make();
  return made;
}

const std::string kName = "DNS:" + std::string(kMemberName);

http::PeerCertificateFiles files(const TestAuthority& authority, const TestAuthority::Pair& pair) {
  return {.authority = authority.file(), .certificate = pair.certificate, .key = pair.key};
}
Swarm::Options member(const TestAuthority& authority, const std::string& name) {
  Swarm::Options options;
  options.certificates = files(authority, authority.issue(name, {.common_name = name, .names = {"DNS:" + name, kName}}));
  return options;
}

/// Somebody who knows blob, pieces, authority and address, and speaks BitTorrent well, with the certificate he has.
class Stranger {
 public:
  Stranger(const std::string& authority, const TestAuthority::Pair& shown) {
    lt::settings_pack pack;
    pack.set_str(lt::settings_pack::listen_interfaces, "127.0.0.1:0s");
    pack.set_bool(lt::settings_pack::enable_dht, false);
    pack.set_bool(lt::settings_pack::enable_outgoing_utp, false);
    pack.set_int(lt::settings_pack::alert_mask, lt::alert_category::connect | lt::alert_category::status);
    session_.emplace(lt::session_params(std::move(pack)));
    lt::add_torrent_params params;
    lt::error_code error;
    const std::string pem = read_file(authority).value();
    params.ti = std::make_shared<lt::torrent_info>(torrent_file(layer().blob(), layer().pieces, pem), error, lt::from_span);
    params.save_path = dir_.path();
    params.flags |= lt::torrent_flags::paused;
    params.flags &= ~lt::torrent_flags::auto_managed;
    torrent_ = session_->add_torrent(std::move(params));
    if (!shown.certificate.empty()) {
      torrent_.set_ssl_certificate_buffer(read_file(shown.certificate).value(), read_file(shown.key).value(), kUnusedParameters);
    }
    torrent_.resume();
  }
  /// Bytes that he was given once the connection has ended.
  std::int64_t bytes_from(const SwarmMachine& machine) {
    torrent_.connect_peer({lt::make_address("127.0.0.1"), machine.swarm->port()});
    for (;;) {
      session_->wait_for_alert(std::chrono::seconds(60));
      std::vector<lt::alert*> alerts;
      session_->pop_alerts(&alerts);
      for (const lt::alert* alert : alerts) {
        if (lt::alert_cast<lt::peer_disconnected_alert>(alert) != nullptr) return torrent_.status().total_payload_download;
      }
    }
  }

 private:
  TempDir dir_ = *TempDir::create("stranger");
  std::optional<lt::session> session_;
  lt::torrent_handle torrent_;
};

class SwarmMembers : public ::testing::Test {
 protected:
  void SetUp() override {
    seed_.has_all_of(layer());
    ASSERT_TRUE(seed_.join(layer()).ok());
  }
  void expect_members_are_given_it() {
    SwarmMachine node(member(authority_, "node"));
    ASSERT_TRUE(node.join(layer(), {seed_.address()}).ok());
    const absl::Status whole = node.wait_for(layer().blob());
    ASSERT_TRUE(whole.ok()) << whole;
    EXPECT_EQ(read_file(node.cache->object_path(layer().blob())).value(), layer().bytes);
  }

  TestAuthority authority_, strangers_;
  SwarmMachine seed_{member(authority_, "seed")};
};

TEST_F(SwarmMembers, GiveToEachOther) { expect_members_are_given_it(); }

TEST_F(SwarmMembers, GiveStrangersNothing) {
  const std::map<std::string, TestAuthority::Pair> shown = {
      {"no certificate", {}},
      {"one of another authority", strangers_.issue("node", {.common_name = "node", .names = {kName}})},
      {"one that isn't for swarms", authority_.issue("web", {.common_name = "web", .names = {"DNS:web.example"}})},
      {"one that has expired",
       authority_.issue("old", {.common_name = "old", .names = {kName}, .valid_for = -std::chrono::seconds(60)})}};

  for (const auto& [what, pair] : shown) {
    Stranger stranger(authority_.file(), pair);
    EXPECT_EQ(stranger.bytes_from(seed_), 0) << what;
  }

  EXPECT_EQ(seed_.count("samara_swarm_sent_bytes_total"), 0);
  expect_members_are_given_it();
}

TEST_F(SwarmMembers, DontAnswerWhoSpeaksInTheClear) {
  WirePeer peer = WirePeer::connect(seed_.address());

  peer.greet(seed_.swarm->tracker_key(layer().blob(), layer().pieces));

  EXPECT_LT(peer.drain(), 68u);  // an alert of TLS at most, never a greeting
}

TEST_F(SwarmMembers, AreInTheSwarmOfTheirAuthority) {
  const SwarmMachine other(member(strangers_, "other")), node(member(authority_, "node"));
  const auto key = [](const SwarmMachine& machine) { return machine.swarm->tracker_key(layer().blob(), layer().pieces); };

  EXPECT_EQ(key(node), key(seed_));
  EXPECT_NE(key(other), key(seed_));
  EXPECT_NE(key(seed_), tracker_key(infohash(layer().blob(), layer().pieces)));
}

TEST(SwarmCertificates, ThatOthersWouldRefuseAreRefusedAtOnce) {
  const TestAuthority authority, strangers;
  const auto error = [](const http::PeerCertificateFiles& tried) {
    const TempDir dir = *TempDir::create("swarm");
    const auto cache = cache_index::Cache::open({.root = dir.path()}, Swarm::tables());
    Metrics metrics;
    Swarm::Options options;
    options.listen = "127.0.0.1:0";
    options.certificates = tried;
    return std::string(Swarm::create(**cache, metrics, options).status().message());
  };
  const TestAuthority::Pair good = authority.issue("good", {.common_name = "good", .names = {kName}});
  const TestAuthority::Pair nameless = authority.issue("nameless", {.common_name = "nameless", .names = {"DNS:a.example"}});

  EXPECT_EQ(error(files(authority, good)), "");
  EXPECT_NE(error(files(authority, nameless)).find("DNS:samara-swarm"), std::string::npos);
  EXPECT_NE(error(files(strangers, good)).find("isn't signed"), std::string::npos);
  EXPECT_NE(error({authority.file(), good.certificate, nameless.key}).find("isn't the key"), std::string::npos);
  EXPECT_NE(error({authority.file(), good.certificate, "/nowhere"}).find("/nowhere"), std::string::npos);
}

}  // namespace
}  // namespace samara::peer
