#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/status/statusor.h"
#include "peer/chunk_reader.h"
#include "read_plan.h"
#include "read_reply.h"

namespace samara::fuse_fs {

/// One read under way: gathers its chunks, then answers, once, whoever comes first: the last chunk, the first error,
/// an interrupt or the end of the mount.
///
/// While held (from the start until release()) it takes note of all that but doesn't answer, so that who started it
/// may still use the request. A chunk that comes after the answer finds nothing to do: chunk readers may call back
/// when the mount is long gone.
/// Threads: any. The reply and `ended` are called without a lock held, on the thread that brought the answer about.
class ReadOperation {
 public:
  /// What came of it.
  struct Outcome {
    absl::Status status;  ///< Cancelled when interrupted
    std::uint64_t bytes = 0;
    std::chrono::steady_clock::duration took{};
    std::uint32_t failed_chunk = 0;           ///< when a chunk failed
    std::vector<peer::ChunkBytes> chunks;  ///< when it went well: one a piece
  };
  using Ended = std::function<void(const Outcome&)>;

  /// `ended` is called after the reply was sent.
  ReadOperation(peer::LayerIndex layer, std::vector<ReadPiece> pieces, std::unique_ptr<ReadReply> reply, Ended ended);

  /// Asks for every chunk. `self` is this operation; the chunk reader's callbacks keep it.
  static void start(const std::shared_ptr<ReadOperation>& self, peer::ChunkReader& chunks, peer::FetchClass urgency);
  /// Whether everything is there, or failed, already.
  bool settled() const;
  /// Lets it answer.
  void release();
  /// Answers with `error` (an errno) if it hasn't answered yet.
  void cancel(int error);
  bool answered() const;
  std::chrono::steady_clock::time_point started() const { return started_; }

 private:
  void chunk_arrived(std::size_t piece, absl::StatusOr<peer::ChunkBytes> bytes);
  void note_failure(std::uint32_t chunk, absl::Status status, int error);
  void answer_if_settled(std::unique_lock<std::mutex> lock);
  bool settled_locked() const { return missing_ == 0 || error_ != 0; }

  const peer::LayerIndex layer_;
  const std::vector<ReadPiece> pieces_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();

  mutable std::mutex mutex_;
  std::vector<peer::ChunkBytes> chunks_;  // one a piece
  std::unique_ptr<ReadReply> reply_;      // null once answered
  Ended ended_;
  std::size_t missing_;
  bool held_ = true;
  int error_ = 0;
  Outcome outcome_;
};

}  // namespace samara::fuse_fs
