#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/digest.h"
#include "base/thread_pool.h"
#include "cache_index/frame.h"
#include "cache_index/known_frames.h"

namespace samara::cache_index {

/// A chunk on its way into the blob.
struct FramedChunk {
  std::vector<std::uint8_t> bytes;
  std::uint64_t repeat = 1;  ///< how many times in a row the stream holds it (holes)
  Digest digest;
  std::string frame;  ///< empty when the content was known: it has a frame already
};

/// Hashes and compresses chunks on a thread pool and hands them out in the order they came. Each new frame, copied from
/// another layer or made, is decompressed again and compared, so what is handed out is proved to hold its chunk.
///
/// Threads: submit(), take(), ready() and waiting() belong to one owner. A take() that would wait for a chunk that no
/// thread has begun does the work itself: so it can't deadlock, even when the owner runs on the pool.
class FramePipeline {
 public:
  /// `known`: whether a content has a frame in this blob already; called on any thread. `frames` (may be nullptr, is
  /// borrowed): where to copy frames from.
  FramePipeline(ThreadPool& pool, std::function<bool(const Digest&)> known, const KnownFrames* frames);
  ~FramePipeline();  ///< drops what wasn't taken; waits only for chunks that a thread is at
  FramePipeline(const FramePipeline&) = delete;

  void submit(std::vector<std::uint8_t> bytes, std::uint64_t repeat);
  std::size_t waiting() const { return jobs_.size(); }
  /// Whether take() would answer at once.
  bool ready() const;
  /// The oldest chunk; only while waiting() > 0. Internal when a frame doesn't give its chunk back.
  absl::StatusOr<FramedChunk> take();

 private:
  struct Job;
  struct Workshop;
  static void work(Job& job, Workshop& shop);

  ThreadPool& pool_;
  // Shared with the tasks on the pool's queue, which may come up after this pipeline is gone and then do nothing.
  std::shared_ptr<Workshop> shop_;
  std::deque<std::shared_ptr<Job>> jobs_;
};

}  // namespace samara::cache_index
