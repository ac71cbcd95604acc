#include "torrent_swarm.h"

#include <libtorrent/add_torrent_params.hpp>
#include <libtorrent/announce_entry.hpp>
#include <libtorrent/extensions/smart_ban.hpp>
#include <libtorrent/ip_filter.hpp>
#include <libtorrent/torrent_info.hpp>
#include <libtorrent/torrent_status.hpp>

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "blob_disk.h"
#include "flood_guard.h"
#include "session_settings.h"
#include "swarm_certificates.h"
#include "tcp_nodelay.h"

/// Joining and leaving; swarm_alerts.cc has what happens in between.
namespace samara::peer {
namespace {

constexpr int kMaxConnections = 60;  // of one blob; plenty for a swarm to be well mixed

/// A torrent may go at any time, and its handle throws then; that it is gone is all there is to know.
template <typename Ask>
bool ask(const lt::torrent_handle& handle, Ask&& question) {
  try {
    if (!handle.is_valid()) return false;
    question(handle);
    return true;
  } catch (const lt::system_error&) {
    return false;
  }
}

std::vector<lt::tcp::endpoint> endpoints(const std::vector<std::string>& peers) {
  std::vector<lt::tcp::endpoint> found;
  for (const std::string& peer : peers) {
    const std::size_t colon = peer.rfind(':');
    int port = 0;
    lt::error_code error;
    if (colon == std::string::npos || !absl::SimpleAtoi(peer.substr(colon + 1), &port) || port < 1 || port > 65535) continue;
    const bool v6 = peer.front() == '[' && colon > 2;
    const lt::address address = lt::make_address(v6 ? peer.substr(1, colon - 2) : peer.substr(0, colon), error);
    if (!error) found.emplace_back(address, static_cast<std::uint16_t>(port));
  }
  return found;
}

Swarm::State state_of(const lt::torrent_handle& handle) {
  Swarm::State state;
  ask(handle, [&](const lt::torrent_handle& live) {
    const lt::torrent_status status = live.status({});
    state.paused = static_cast<bool>(status.flags & lt::torrent_flags::paused);
    state.peers = status.num_peers;
    state.download_rate = status.download_payload_rate;
    state.upload_rate = status.upload_payload_rate;
    state.downloaded = static_cast<std::uint64_t>(status.total_payload_download);
    state.uploaded = static_cast<std::uint64_t>(status.total_payload_upload);
  });
  return state;
}

}  // namespace

std::vector<std::string> Swarm::tables() { return SwarmMemory::tables(); }

absl::StatusOr<std::unique_ptr<Swarm>> Swarm::create(cache_index::Cache& cache, Metrics& metrics, Options options) {
  auto swarm = std::make_unique<TorrentSwarm>(cache, metrics, std::move(options));
  SAMARA_RETURN_IF_ERROR(swarm->start());
  return swarm;
}

TorrentSwarm::TorrentSwarm(cache_index::Cache& cache, Metrics& metrics, Options options)
    : cache_(cache),
      options_(std::move(options)),
      memory_(cache.store()),
      fetched_(metrics.counter("samara_fetched_bytes_total", "Bytes of frames and indexes that came from a source",
                               {{"source", "swarm"}})),
      wrong_(metrics.counter("samara_swarm_wrong_pieces_total", "Pieces that came and had another hash")),
      dropped_(metrics.counter("samara_swarm_dropped_peers_total", "Peers that asked for much more than they took")),
      sent_(metrics.counter("samara_swarm_sent_bytes_total", "Bytes of pieces read for peers")),
      joined_(metrics.gauge("samara_swarm_blobs", "Blobs shared")) {}

absl::Status TorrentSwarm::start() {
  use_tcp_nodelay();
  SAMARA_RETURN_IF_ERROR(load_certificates());
  lt::session_params params = session_params(options_);
  params.disk_io_constructor = [this](lt::io_context& io, const lt::settings_interface&, lt::counters&) {
    return std::make_unique<BlobDisk>(io, files_, sent_);
  };
  try {
    const DefaultAuthorities authorities(options_.tracker_authority);
    session_.emplace(std::move(params));
    (void)session_->is_listening();  // answered once it has read them
    // Peers of this machine's network would otherwise be above all limits.
    session_->set_peer_class_filter(lt::ip_filter());
    for (;;) {
      if (session_->wait_for_alert(std::chrono::seconds(5)) == nullptr) {
        return absl::InvalidArgumentError(str_cat("swarm listen: \"", options_.listen, "\" is no address:port to listen on"));
      }
      std::vector<lt::alert*> alerts;
      session_->pop_alerts(&alerts);
      for (const lt::alert* alert : alerts) {
        if (const auto* failed = lt::alert_cast<lt::listen_failed_alert>(alert)) {
          return errno_status(failed->error.value(), str_cat("swarm listen on ", options_.listen));
        }
        if (const auto* listening = lt::alert_cast<lt::listen_succeeded_alert>(alert)) {
          port_ = static_cast<std::uint16_t>(listening->port);
        }
      }
      if (port_ != 0) break;
    }
  } catch (const lt::system_error& error) {
    return absl::InternalError(to_absl(error.what()));
  }
  chunks_.emplace("swarm-chunks", 1);
  alerts_ = std::jthread([this](std::stop_token stop) { watch(std::move(stop)); });
  return absl::OkStatus();
}

TorrentSwarm::~TorrentSwarm() {
  if (alerts_.joinable()) {
    alerts_.request_stop();
    alerts_.join();
  }
  chunks_.reset();
  session_.reset();  // waits for the disk
  write_down();
}

absl::Status TorrentSwarm::join(Blob blob) {
  SAMARA_RETURN_IF_ERROR(check(blob.pieces));
  {
    const std::lock_guard lock(mutex_);
    if (const auto it = entries_.find(blob.digest); it != entries_.end()) {
      introduce(it->second.handle, blob);
      return absl::OkStatus();
    }
    if (!joining_.insert(blob.digest).second) return absl::OkStatus();
  }
  const absl::Status added = add(blob);
  const std::lock_guard lock(mutex_);
  joining_.erase(blob.digest);
  return added;
}

absl::Status TorrentSwarm::add(const Blob& blob) {
  SAMARA_ASSIGN_OR_RETURN(SharedBlob shared, SharedBlob::open(cache_, blob.digest, blob.pieces, blob.index,
                                                              memory_.have(blob.digest)));
  SAMARA_RETURN_IF_ERROR(memory_.remember(blob.digest, blob.pieces));
  const std::string key = tracker_key(blob.digest, blob.pieces);
  files_.add(key, shared.file());

  lt::add_torrent_params params;
  lt::error_code error;
  params.ti = std::make_shared<lt::torrent_info>(torrent_file(blob.digest, blob.pieces, authority_), error, lt::from_span);
  if (error) return absl::InternalError(str_cat("torrent of ", blob.digest.to_string(), ": ", error.message()));
  params.save_path = std::string("/");  // BlobDisk knows where the bytes lie
  params.trackers = blob.trackers;
  params.peers = endpoints(blob.peers);
  params.max_connections = kMaxConnections;
  params.flags = lt::torrent_flags::override_trackers | lt::torrent_flags::need_save_resume;
  // Nobody is met before there is a certificate to show.
  if (certificates_ != nullptr) params.flags |= lt::torrent_flags::paused;
  params.have_pieces.resize(static_cast<int>(shared.total()), false);
  for (std::uint32_t i = 0; i < shared.total(); ++i) {
    if (shared.has(i)) params.have_pieces.set_bit(lt::piece_index_t(static_cast<int>(i)));
  }
  params.extensions.emplace_back(&lt::create_smart_ban_plugin);
  params.extensions.emplace_back(
      [this](const lt::torrent_handle&, lt::client_data_t) { return make_flood_guard(dropped_); });

  const bool all_came = shared.is_complete() && !shared.was_complete();
  std::unique_lock lock(mutex_);
  const lt::torrent_handle handle = session_->add_torrent(std::move(params), error);
  if (error) {
    files_.remove(key);
    return absl::InternalError(str_cat("share ", blob.digest.to_string(), ": ", error.message()));
  }
  if (shown_ != nullptr) {
    show_certificate(handle, *shown_);
    handle.resume();
  }
  by_id_[handle.id()] = blob.digest;
  entries_.emplace(blob.digest, Entry{.handle = handle, .key = key, .shared = std::move(shared), .dirty = true});
  joined_.set(static_cast<double>(entries_.size()));
  lock.unlock();
  if (all_came) chunks_->run([this, digest = blob.digest, size = blob.pieces.size] { complete(digest, size); });
  return absl::OkStatus();
}

/// Tells a torrent of trackers and peers; old trackers go, since their tokens may have run out.
void TorrentSwarm::introduce(const lt::torrent_handle& handle, const Blob& blob) {
  ask(handle, [&](const lt::torrent_handle& live) {
    if (!blob.trackers.empty()) {
      std::vector<lt::announce_entry> trackers;
      for (const std::string& url : blob.trackers) trackers.emplace_back(url);
      live.replace_trackers(trackers);
      live.force_reannounce();
    }
    for (const lt::tcp::endpoint& peer : endpoints(blob.peers)) live.connect_peer(peer);
  });
}

void TorrentSwarm::leave(const Digest& blob) {
  write_down();
  const std::lock_guard lock(mutex_);
  const auto it = entries_.find(blob);
  if (it == entries_.end()) return;
  by_id_.erase(it->second.handle.id());
  files_.remove(it->second.key);
  if (it->second.handle.is_valid()) session_->remove_torrent(it->second.handle);
  entries_.erase(it);
  joined_.set(static_cast<double>(entries_.size()));
}

/// Leaves a blob whose bytes turned out wrong, and doesn't believe again that they are here.
void TorrentSwarm::drop(const Digest& blob, const absl::Status& why) {
  log::warning("stopped sharing a blob", {{"blob", blob.to_string()}, {"error", why}});
  leave(blob);
  if (const absl::Status forgot = memory_.forget(blob); !forgot.ok()) {
    log::warning("a blob's pieces can't be forgotten", {{"blob", blob.to_string()}, {"error", forgot}});
  }
  if (options_.on_complete) options_.on_complete(blob, why);
}

/// libtorrent takes such a piece as if a peer had given it: it is written once more, in the same place, and hashed.
void TorrentSwarm::look_again(const Digest& blob) {
  std::vector<SharedBlob::Covered> pieces;
  std::shared_ptr<BlobFile> file;
  std::optional<lt::torrent_handle> handle;
  {
    const std::lock_guard lock(mutex_);
    const auto it = entries_.find(blob);
    if (it == entries_.end() || !it->second.checked || it->second.shared.is_complete()) return;
    pieces = it->second.shared.newly_covered(cache_);
    std::erase_if(pieces, [&](const SharedBlob::Covered& one) { return !it->second.found.insert(one.piece).second; });
    file = it->second.shared.file();
    handle = it->second.handle;
  }
  for (const SharedBlob::Covered& one : pieces) {
    std::vector<char> bytes(file->pieces().length(one.piece));
    const std::span<std::uint8_t> content(reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size());
    if (!fill_in(cache_, *file, one) || !file->read_unverified(one.piece, 0, content).ok()) continue;
    ask(*handle, [&](const lt::torrent_handle& live) {
      const lt::piece_index_t piece(static_cast<int>(one.piece));
      bytes.resize(static_cast<std::size_t>(live.torrent_file()->piece_size(piece)));  // zeros behind the blob's end
      live.add_piece(piece, std::move(bytes));
    });
  }
}

std::optional<lt::torrent_handle> TorrentSwarm::find(const Digest& blob) const {
  const std::lock_guard lock(mutex_);
  const auto it = entries_.find(blob);
  return it == entries_.end() ? std::nullopt : std::optional(it->second.handle);
}

void TorrentSwarm::pause(const Digest& blob) {
  if (const auto handle = find(blob)) ask(*handle, [](const lt::torrent_handle& live) { live.pause(); });
}

void TorrentSwarm::resume(const Digest& blob) {
  if (const auto handle = find(blob)) ask(*handle, [](const lt::torrent_handle& live) { live.resume(); });
}

bool TorrentSwarm::has_joined(const Digest& blob) const {
  const std::lock_guard lock(mutex_);
  return entries_.contains(blob) || joining_.contains(blob);
}

absl::StatusOr<Swarm::State> TorrentSwarm::state(const Digest& blob) const {
  const std::optional<lt::torrent_handle> handle = find(blob);
  if (!handle) return absl::NotFoundError(str_cat(blob.to_string(), " is not shared"));
  State state = state_of(*handle);
  const std::lock_guard lock(mutex_);
  const auto it = entries_.find(blob);
  if (it == entries_.end()) return absl::NotFoundError(str_cat(blob.to_string(), " is not shared any more"));
  state.pieces = it->second.shared.count();
  state.pieces_total = it->second.shared.total();
  state.wrong_pieces = it->second.wrong_pieces;
  state.tracker_error = it->second.tracker_error;
  return state;
}

std::vector<std::pair<Digest, Swarm::State>> TorrentSwarm::states() const {
  std::vector<Digest> blobs;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [blob, entry] : entries_) blobs.push_back(blob);
  }
  std::vector<std::pair<Digest, State>> states;
  for (const Digest& blob : blobs) {
    if (const absl::StatusOr<State> state_now = state(blob); state_now.ok()) states.emplace_back(blob, *state_now);
  }
  return states;
}

}  // namespace samara::peer
