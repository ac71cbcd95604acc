#include <libtorrent/alert_types.hpp>

#include "base/log.h"
#include "base/text.h"
#include "torrent_swarm.h"

/// What libtorrent tells of the blobs that are shared, and what becomes of it.
namespace samara::peer {
namespace {

constexpr std::chrono::milliseconds kPatience{500};
constexpr std::chrono::seconds kLookAfter{30};

}  // namespace

void TorrentSwarm::watch(std::stop_token stop) {
  auto looked_after = std::chrono::steady_clock::now();
  while (!stop.stop_requested()) {
    if (session_->wait_for_alert(kPatience) != nullptr) {
      std::vector<lt::alert*> alerts;
      session_->pop_alerts(&alerts);
      for (const lt::alert* alert : alerts) take(*alert);
      write_down();
    }
    if (std::chrono::steady_clock::now() - looked_after < kLookAfter) continue;
    looked_after = std::chrono::steady_clock::now();
    look_after();
    renew_certificates();
  }
}

void TorrentSwarm::take(const lt::alert& alert) {
  if (lt::alert_cast<lt::alerts_dropped_alert>(&alert) != nullptr) {
    log::warning("libtorrent's news came too fast; some were lost");  // the chunks of those pieces are fetched again
    return;
  }
  const auto* news = dynamic_cast<const lt::torrent_alert*>(&alert);
  if (news == nullptr) return;
  const std::lock_guard lock(mutex_);
  const auto id = by_id_.find(news->handle.id());
  if (id == by_id_.end()) return;  // left meanwhile
  const Digest blob = id->second;
  Entry& entry = entries_.at(blob);
  if (const auto* finished = lt::alert_cast<lt::piece_finished_alert>(&alert)) {
    piece_finished(blob, entry, static_cast<std::uint32_t>(static_cast<int>(finished->piece_index)));
  } else if (lt::alert_cast<lt::torrent_checked_alert>(&alert) != nullptr) {
    entry.checked = true;  // before, it drops what it is given
    chunks_->run([this, blob] { look_again(blob); });
  } else if (const auto* failed = lt::alert_cast<lt::hash_failed_alert>(&alert)) {
    ++entry.wrong_pieces;
    wrong_.add();
    log::warning("a piece came wrong", {{"blob", blob.brief()}, {"piece", static_cast<int>(failed->piece_index)}});
  } else if (const auto* broken = lt::alert_cast<lt::file_error_alert>(&alert)) {
    file_error(blob, entry, *broken);
  } else if (const auto* refused = lt::alert_cast<lt::tracker_error_alert>(&alert)) {
    entry.tracker_error = str_cat(refused->error.message(), " ", refused->failure_reason());
  } else if (lt::alert_cast<lt::tracker_reply_alert>(&alert) != nullptr) {
    entry.tracker_error.clear();
  }
}

void TorrentSwarm::piece_finished(const Digest& blob, Entry& entry, std::uint32_t piece) {
  if (piece >= entry.shared.total() || entry.shared.has(piece)) return;
  std::vector<cache_index::Chunk> chunks = entry.shared.add(piece);
  entry.dirty = true;
  const BlobPieces& pieces = entry.shared.file()->pieces();
  if (entry.found.erase(piece) == 0) fetched_.add(pieces.length(piece));
  if (!chunks.empty()) {
    chunks_->run([this, blob, chunks = std::move(chunks)] {
      for (const cache_index::Chunk& chunk : chunks) {
        const absl::Status adopted = cache_.adopt_frame(blob, chunk);
        if (!adopted.ok()) log::warning("a chunk of the swarm's isn't kept", {{"blob", blob.brief()}, {"error", adopted}});
      }
    });
  }
  if (entry.shared.is_complete()) chunks_->run([this, blob, size = pieces.size] { complete(blob, size); });
}

void TorrentSwarm::file_error(const Digest& blob, Entry& entry, const lt::file_error_alert& alert) {
  if (alert.op == lt::operation_t::file_write) {
    entry.stopped = true;  // the disk is full; libtorrent only gives now, and is asked to go on later
    return;
  }
  // Not from here: leave() takes the lock, and asks the network thread.
  chunks_->run([this, blob, why = absl::DataLossError(alert.message())] { drop(blob, why); });
}

/// All pieces are here. Each had the hash that somebody claimed; now the whole is compared with its digest.
void TorrentSwarm::complete(const Digest& blob, std::uint64_t size) {
  const absl::Status whole = cache_.complete_partial(blob, size);
  if (absl::IsDataLoss(whole)) return drop(blob, whole);
  if (!whole.ok()) log::warning("a blob that came whole isn't kept as such", {{"blob", blob.brief()}, {"error", whole}});
  if (options_.on_complete) options_.on_complete(blob, whole);
}

void TorrentSwarm::write_down() {
  std::vector<std::pair<Digest, std::string>> changed;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [blob, entry] : entries_) {
      if (std::exchange(entry.dirty, false)) changed.emplace_back(blob, entry.shared.have_bits());
    }
  }
  for (auto& [blob, bits] : changed) {
    if (const absl::Status written = memory_.remember_have(blob, std::move(bits)); !written.ok()) {
      log::warning("which pieces are here can't be written down", {{"blob", blob.brief()}, {"error", written}});
    }
  }
}

/// Blobs whose file was removed aren't shared any more, and what a full disk stopped goes on.
void TorrentSwarm::look_after() {
  std::vector<Digest> gone;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [blob, entry] : entries_) {
      if (entry.shared.file()->is_gone()) gone.push_back(blob);
      if (std::exchange(entry.stopped, false) && entry.handle.is_valid()) {
        entry.handle.unset_flags(lt::torrent_flags::upload_mode);
      }
    }
  }
  for (const Digest& blob : gone) drop(blob, absl::NotFoundError("its file was removed from the cache"));
}

}  // namespace samara::peer
