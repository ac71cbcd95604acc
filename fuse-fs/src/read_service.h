#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "inflight_reads.h"
#include "mount_metrics.h"
#include "node_id.h"
#include "page_filler.h"
#include "peer/chunk_reader.h"
#include "rate_limit.h"
#include "read_operation.h"
#include "sequential_reads.h"
#include "slow_reads.h"

namespace samara::fuse_fs {

/// Answers reads of files out of chunks, without ever waiting.
///
/// Every answer is sent before drain() returns, whatever the chunk reader does later.
/// Threads: any.
class ReadService {
 public:
  /// Everything is borrowed.
  ReadService(peer::ChunkReader& chunks, PageFiller& pages, MountMetrics& metrics, SlowReads& slow)
      : chunks_(chunks), pages_(pages), metrics_(metrics), slow_(slow) {}

  struct Request {
    peer::LayerIndex layer;
    NodeId file;
    std::uint64_t offset = 0, size = 0;
    std::int32_t reader = 0;  ///< process
    bool ahead = false;       ///< nobody waits for it: a Preloader's
  };
  /// Called when a read has to wait, before it may be answered: the request is still there to be used. `id` is what
  /// find() takes.
  using Waiting = std::function<void(std::uint64_t id)>;

  void read(const Request& request, std::unique_ptr<ReadReply> reply, const Waiting& waiting);
  /// The read if it still waits; null otherwise.
  std::shared_ptr<ReadOperation> find(std::uint64_t id) const { return inflight_.find(id); }
  std::size_t waiting() const { return inflight_.size(); }
  /// How many of them have waited for so long.
  std::size_t waiting_for(std::chrono::steady_clock::duration time) const { return inflight_.older_than(time); }

  void wait_until_none(std::chrono::milliseconds patience) { inflight_.wait_until_none(patience); }
  /// Ends every read with `error`; no other may be started.
  void drain(int error) { inflight_.drain(error); }

 private:
  /// What is needed of a read when it has ended.
  struct Started {
    std::uint64_t id = 0;
    peer::LayerIndex layer;
    NodeId file;
    std::uint32_t first_chunk = 0, last_chunk = 0;
    std::uint64_t offset = 0, size = 0;
    std::int32_t reader = 0;
    bool ahead = false;
    std::vector<PageRange> pages;  ///< to be given to the kernel
  };
  void ended(const Started& read, const ReadOperation::Outcome& outcome);
  void note_slow(const Started& read, const ReadOperation::Outcome& outcome);
  void read_ahead(const Request& request, const cache_index::Inode& file, const std::vector<ReadPiece>& pieces);
  void log_failure(const cache_index::IndexReader& layer, NodeId file, std::string_view what,
                   const absl::Status& status);

  peer::ChunkReader& chunks_;
  PageFiller& pages_;
  MountMetrics& metrics_;
  SlowReads& slow_;
  InflightReads inflight_;
  SequentialReads sequential_;
  RateLimit log_limit_{10, std::chrono::seconds(1)};
};

}  // namespace samara::fuse_fs
