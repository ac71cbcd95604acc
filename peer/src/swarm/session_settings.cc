#include "session_settings.h"

#include <algorithm>
#include <libtorrent/alert.hpp>
#include <libtorrent/extensions/smart_ban.hpp>
#include <libtorrent/settings_pack.hpp>
#include <limits>

namespace samara::peer {
namespace {

int limited(std::uint64_t value) { return static_cast<int>(std::min<std::uint64_t>(value, std::numeric_limits<int>::max())); }

void set_identity(lt::settings_pack& pack, const Swarm::Options& options) {
  // "s": TLS, and nothing else.
  pack.set_str(lt::settings_pack::listen_interfaces, options.listen + (options.certificates.empty() ? "" : "s"));
  pack.set_str(lt::settings_pack::user_agent, "samara");
  pack.set_str(lt::settings_pack::peer_fingerprint, "-SA0100-");
  pack.set_int(lt::settings_pack::max_retry_port_bind, 0);  // the port that was asked for, or none
  pack.set_bool(lt::settings_pack::listen_system_port_fallback, false);
  pack.set_int(lt::settings_pack::alert_mask, lt::alert_category::error | lt::alert_category::status |
                                                  lt::alert_category::storage | lt::alert_category::piece_progress);
  pack.set_int(lt::settings_pack::alert_queue_size, 100'000);  // 2000 lose alerts under load
}

/// Only the tracker and the site say who the peers are.
void set_reach(lt::settings_pack& pack) {
  for (const int off : {lt::settings_pack::enable_dht, lt::settings_pack::enable_lsd, lt::settings_pack::enable_upnp,
                        lt::settings_pack::enable_natpmp, lt::settings_pack::enable_outgoing_utp,
                        lt::settings_pack::enable_incoming_utp, lt::settings_pack::ssrf_mitigation}) {
    pack.set_bool(off, false);
  }
  pack.set_bool(lt::settings_pack::announce_to_all_trackers, true);
  pack.set_bool(lt::settings_pack::announce_to_all_tiers, true);
  pack.set_bool(lt::settings_pack::allow_multiple_connections_per_ip, true);  // nodes behind one address
  pack.set_int(lt::settings_pack::out_enc_policy, lt::settings_pack::pe_disabled);
  pack.set_int(lt::settings_pack::in_enc_policy, lt::settings_pack::pe_disabled);
  pack.set_int(lt::settings_pack::min_announce_interval, 2);  // s; the tracker says how often
  pack.set_int(lt::settings_pack::tracker_backoff, 50);
  pack.set_int(lt::settings_pack::tracker_completion_timeout, 10);
  pack.set_int(lt::settings_pack::tracker_receive_timeout, 5);
  pack.set_int(lt::settings_pack::stop_tracker_timeout, 1);
}

/// Connections are cheap here, come up at once and stay.
void set_connections(lt::settings_pack& pack) {
  // By default a leecher that wants nothing for a moment loses its link for a minute.
  pack.set_bool(lt::settings_pack::close_redundant_connections, false);
  pack.set_int(lt::settings_pack::connections_limit, 4'000);
  pack.set_int(lt::settings_pack::connection_speed, 200);
  pack.set_int(lt::settings_pack::torrent_connect_boost, 100);
  pack.set_bool(lt::settings_pack::smooth_connects, false);
  pack.set_int(lt::settings_pack::min_reconnect_time, 2);
  pack.set_int(lt::settings_pack::max_failcount, 20);
  pack.set_int(lt::settings_pack::handshake_timeout, 5);
  pack.set_int(lt::settings_pack::peer_connect_timeout, 5);
  pack.set_int(lt::settings_pack::mixed_mode_algorithm, lt::settings_pack::prefer_tcp);
}

void set_transfer(lt::settings_pack& pack, const Swarm::Options& options) {
  pack.set_int(lt::settings_pack::upload_rate_limit, limited(options.upload_limit));
  pack.set_int(lt::settings_pack::download_rate_limit, limited(options.download_limit));
  pack.set_int(lt::settings_pack::unchoke_slots_limit,
               options.upload_slots == 0 ? -1 : limited(options.upload_slots));
  pack.set_int(lt::settings_pack::unchoke_interval, 1);
  pack.set_int(lt::settings_pack::initial_picker_threshold, 0);
  const int patience = std::max(1, static_cast<int>(options.patience.count()));  // with a peer that stalls
  pack.set_int(lt::settings_pack::request_timeout, patience);
  pack.set_int(lt::settings_pack::piece_timeout, std::max(1, patience / 2));
  pack.set_int(lt::settings_pack::request_queue_time, 1);
  // A node chooses by what others have, and can't see what they have asked for: so nobody asks for more than two pieces
  // (of 256 KiB) ahead. The second goes into the handshake as reqq, and a peer's reqq takes the place of the first.
  pack.set_int(lt::settings_pack::max_out_request_queue, 32);
  pack.set_int(lt::settings_pack::max_allowed_in_request_queue, 32);
  // Never runs of neighbouring pieces: by default a fast peer is asked for 20 s of them at once, whatever is rarest, and
  // everybody has the same pieces from the seed.
  pack.set_int(lt::settings_pack::whole_pieces_threshold, 0);
  pack.set_int(lt::settings_pack::send_buffer_watermark, 256 << 10);
  pack.set_int(lt::settings_pack::send_buffer_low_watermark, 32 << 10);
  pack.set_int(lt::settings_pack::max_queued_disk_bytes, 16 << 20);
}

}  // namespace

lt::session_params session_params(const Swarm::Options& options) {
  lt::settings_pack pack;
  set_identity(pack, options);
  set_reach(pack);
  set_connections(pack);
  set_transfer(pack, options);
  // No peer exchange and no metadata exchange: whoever may know a blob learns of it from the site.
  return lt::session_params(std::move(pack), {});
}

}  // namespace samara::peer
