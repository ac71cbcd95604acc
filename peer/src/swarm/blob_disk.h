#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <libtorrent/disk_interface.hpp>
#include <libtorrent/io_context.hpp>
#include <map>
#include <memory>
#include <vector>

#include "base/metrics.h"
#include "base/thread_pool.h"
#include "blob_file.h"

namespace samara::peer {

/// libtorrent's disk: the pieces of a torrent are ranges of the blob's file in the cache, read, written and hashed
/// where they lie.
///
/// Jobs of one piece run one after another in the order in which they came (so a piece is hashed behind its writes);
/// others at the same time.
/// Threads: libtorrent calls every member on its network thread, and gets its answers there (posted to `io`).
class BlobDisk final : public lt::disk_interface {
 public:
  /// Borrowed: all outlive the session. `sent` counts the bytes given to peers.
  BlobDisk(lt::io_context& io, BlobFiles& files, Metrics::Counter& sent);

  lt::storage_holder new_torrent(const lt::storage_params& params, const std::shared_ptr<void>& torrent) override;
  void remove_torrent(lt::storage_index_t storage) override;

  void async_read(lt::storage_index_t storage, const lt::peer_request& request,
                  std::function<void(lt::disk_buffer_holder, const lt::storage_error&)> handler,
                  lt::disk_job_flags_t flags) override;
  bool async_write(lt::storage_index_t storage, const lt::peer_request& request, const char* buffer,
                   std::shared_ptr<lt::disk_observer> observer,
                   std::function<void(const lt::storage_error&)> handler, lt::disk_job_flags_t flags) override;
  void async_hash(lt::storage_index_t storage, lt::piece_index_t piece, lt::span<lt::sha256_hash> leaves,
                  lt::disk_job_flags_t flags,
                  std::function<void(lt::piece_index_t, const lt::sha1_hash&, const lt::storage_error&)> handler) override;
  void async_hash2(lt::storage_index_t storage, lt::piece_index_t piece, int offset, lt::disk_job_flags_t flags,
                   std::function<void(lt::piece_index_t, const lt::sha256_hash&, const lt::storage_error&)> handler) override;
  void async_clear_piece(lt::storage_index_t storage, lt::piece_index_t piece,
                         std::function<void(lt::piece_index_t)> handler) override;
  void async_check_files(lt::storage_index_t storage, const lt::add_torrent_params* resume,
                         lt::aux::vector<std::string, lt::file_index_t> links,
                         std::function<void(lt::status_t, const lt::storage_error&)> handler) override;

  // The cache owns the files: nothing is moved, renamed, deleted or released for libtorrent.
  void async_move_storage(lt::storage_index_t storage, std::string path, lt::move_flags_t flags,
                          std::function<void(lt::status_t, const std::string&, const lt::storage_error&)> handler) override;
  void async_release_files(lt::storage_index_t storage, std::function<void()> handler) override;
  void async_stop_torrent(lt::storage_index_t storage, std::function<void()> handler) override;
  void async_rename_file(lt::storage_index_t storage, lt::file_index_t file, std::string name,
                         std::function<void(const std::string&, lt::file_index_t, const lt::storage_error&)> handler) override;
  void async_delete_files(lt::storage_index_t storage, lt::remove_flags_t options,
                          std::function<void(const lt::storage_error&)> handler) override;
  void async_set_file_priority(
      lt::storage_index_t storage, lt::aux::vector<lt::download_priority_t, lt::file_index_t> priorities,
      std::function<void(const lt::storage_error&, lt::aux::vector<lt::download_priority_t, lt::file_index_t>)> handler)
      override;
  void update_stats_counters(lt::counters&) const override {}
  std::vector<lt::open_file_state> get_status(lt::storage_index_t) const override { return {}; }
  void abort(bool wait) override;
  void submit_jobs() override {}
  void settings_updated() override {}

 private:
  /// Bytes that were taken over and aren't written yet, and who waits for them to get fewer.
  struct Backlog {
    std::atomic<std::int64_t> bytes{0};
    std::mutex mutex;
    std::vector<std::weak_ptr<lt::disk_observer>> waiting;
  };

  std::shared_ptr<BlobFile> file(lt::storage_index_t storage) const;
  /// Runs `job` on the thread that the piece belongs to.
  void run(lt::storage_index_t storage, lt::piece_index_t piece, std::function<void()> job);
  void written(std::int64_t bytes);

  lt::io_context& io_;
  BlobFiles& files_;
  Metrics::Counter& sent_;
  std::map<lt::storage_index_t, std::shared_ptr<BlobFile>> storages_;
  std::uint32_t next_storage_ = 0;
  Backlog backlog_;
  std::array<std::unique_ptr<ThreadPool>, 2> threads_;  // of one thread each; null once aborted
};

}  // namespace samara::peer
