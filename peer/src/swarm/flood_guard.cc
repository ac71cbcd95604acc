#include "flood_guard.h"

#include <libtorrent/error_code.hpp>
#include <libtorrent/operations.hpp>
#include <libtorrent/peer_connection_handle.hpp>
#include <libtorrent/peer_connection_interface.hpp>
#include <libtorrent/peer_info.hpp>
#include <libtorrent/peer_request.hpp>

#include "base/log.h"
#include "base/text.h"

namespace samara::peer {
namespace {

/// Requests within a second, beyond twice what was given meanwhile. Ours keep 32 under way.
constexpr std::int64_t kMostRequests = 2'000;
/// Bytes that wait for a peer to take them. libtorrent stops reading from the disk long before that.
constexpr int kMostUnsent = 16 << 20;

class PeerGuard final : public lt::peer_plugin {
 public:
  PeerGuard(lt::peer_connection_handle peer, Metrics::Counter& dropped) : peer_(std::move(peer)), dropped_(dropped) {}

  bool on_request(const lt::peer_request&) override {
    if (++requests_ <= kMostRequests + 2 * sent_ / lt::default_block_size) return false;
    part("it asks for more than it takes");
    return true;
  }
  void sent_payload(int bytes) override { sent_ += bytes; }
  void tick() override {
    requests_ = sent_ = 0;
    lt::peer_info info;
    peer_.get_peer_info(info);
    if (info.used_send_buffer > kMostUnsent) part("it doesn't take what it asked for");
  }

 private:
  void part(std::string_view why) {
    if (peer_.is_disconnecting()) return;
    log::warning("parted with a peer of the swarm", {{"peer", peer_.remote().address().to_string()}, {"why", why}});
    dropped_.add();
    peer_.disconnect(lt::errors::peer_banned, lt::operation_t::bittorrent, lt::peer_connection_interface::peer_error);
  }

  lt::peer_connection_handle peer_;
  Metrics::Counter& dropped_;
  std::int64_t requests_ = 0, sent_ = 0;  // since the last tick, of about a second ago
};

class FloodGuard final : public lt::torrent_plugin {
 public:
  explicit FloodGuard(Metrics::Counter& dropped) : dropped_(dropped) {}
  std::shared_ptr<lt::peer_plugin> new_connection(const lt::peer_connection_handle& peer) override {
    return std::make_shared<PeerGuard>(peer, dropped_);
  }

 private:
  Metrics::Counter& dropped_;
};

}  // namespace

std::shared_ptr<lt::torrent_plugin> make_flood_guard(Metrics::Counter& dropped) { return std::make_shared<FloodGuard>(dropped); }

}  // namespace samara::peer
