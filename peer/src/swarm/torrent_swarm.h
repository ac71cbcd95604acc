#pragma once

#include <chrono>
#include <libtorrent/alert_types.hpp>
#include <libtorrent/session.hpp>
#include <libtorrent/torrent_handle.hpp>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <thread>

#include "base/reloaded.h"
#include "base/thread_pool.h"
#include "blob_file.h"
#include "peer/swarm.h"
#include "shared_blob.h"
#include "swarm_memory.h"

namespace samara::peer {

/// The Swarm over a libtorrent session.
///
/// Threads: `alerts_` takes libtorrent's news; `chunks_` (one thread) turns pieces into chunks, in order. `mutex_`
/// guards the table of blobs; it is held while libtorrent's network thread is asked something, never the other way
/// round: that thread takes no lock of ours.
class TorrentSwarm final : public Swarm {
 public:
  TorrentSwarm(cache_index::Cache& cache, Metrics& metrics, Options options);
  /// Errors of create().
  absl::Status start();
  ~TorrentSwarm() override;

  absl::Status join(Blob blob) override;
  void leave(const Digest& blob) override;
  void pause(const Digest& blob) override;
  void resume(const Digest& blob) override;
  void look_again(const Digest& blob) override;
  bool has_joined(const Digest& blob) const override;
  absl::StatusOr<State> state(const Digest& blob) const override;
  std::vector<std::pair<Digest, State>> states() const override;
  std::vector<std::pair<Digest, BlobPieces>> remembered() const override { return memory_.all(); }
  std::uint16_t port() const override { return port_; }
  std::string tracker_key(const Digest& blob, const BlobPieces& pieces) const override;

 private:
  struct Entry {
    lt::torrent_handle handle;
    std::string key;  // as BlobFiles knows it
    SharedBlob shared;
    std::set<std::uint32_t> found{};  // pieces that the cache covered; libtorrent is looking at them
    bool checked = false;  // libtorrent takes pieces of ours
    bool dirty = false;    // pieces came that memory_ doesn't know of
    bool stopped = false;  // the disk refused a write; tried again later
    std::uint64_t wrong_pieces = 0;
    std::string tracker_error{};
  };

  absl::Status load_certificates();
  static void show_certificate(lt::torrent_handle handle, const http::PeerCertificate& certificate);
  void renew_certificates();
  absl::Status add(const Blob& blob);
  void introduce(const lt::torrent_handle& handle, const Blob& blob);
  std::optional<lt::torrent_handle> find(const Digest& blob) const;
  void drop(const Digest& blob, const absl::Status& why);

  void watch(std::stop_token stop);
  void take(const lt::alert& alert);
  void piece_finished(const Digest& blob, Entry& entry, std::uint32_t piece);
  void file_error(const Digest& blob, Entry& entry, const lt::file_error_alert& alert);
  void complete(const Digest& blob, std::uint64_t size);
  void write_down();
  void look_after();

  cache_index::Cache& cache_;
  const Options options_;
  SwarmMemory memory_;
  Metrics::Counter& fetched_;
  Metrics::Counter& wrong_;
  Metrics::Counter& dropped_;
  Metrics::Counter& sent_;
  Metrics::Gauge& joined_;
  BlobFiles files_;
  using Certificate = http::PeerCertificate;
  std::unique_ptr<Reloaded<Certificate>> certificates_;  // null: members show none
  Reloaded<Certificate>::Value shown_;                   // to members; guarded by mutex_
  std::string authority_;                                // in PEM; empty: members show none
  std::optional<lt::session> session_;
  std::uint16_t port_ = 0;

  mutable std::mutex mutex_;
  std::map<Digest, Entry> entries_;
  std::map<std::uint32_t, Digest> by_id_;  // libtorrent's number of the torrent
  std::set<Digest> joining_;

  std::optional<ThreadPool> chunks_;
  std::jthread alerts_;
};

}  // namespace samara::peer
