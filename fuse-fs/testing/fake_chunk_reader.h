#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "peer/chunk_reader.h"

namespace samara::fuse_fs {

/// Gives the chunks of one data stream at once, until told to hold or to fail them.
/// Threads: any.
class FakeChunkReader final : public peer::ChunkReader {
 public:
  explicit FakeChunkReader(std::string stream) : stream_(std::move(stream)) {}

  /// From now on reads wait for release() or fail().
  void hold() {
    const std::lock_guard lock(mutex_);
    holding_ = true;
  }
  /// Answers what waits, and from now on at once again.
  void release() { answer_held(absl::OkStatus()); }
  /// Answers what waits with `status`, and from now on at once again.
  void fail(absl::Status status) { answer_held(std::move(status)); }
  /// From now on reads fail at once; with OK they don't any more.
  void fail_from_now_on(absl::Status status) {
    const std::lock_guard lock(mutex_);
    failure_ = std::move(status);
  }
  /// Waits until `count` reads are held.
  void wait_for_held(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return held_.size() >= count; });
  }

  struct Prefetched {
    std::uint32_t first = 0, count = 0;
    bool operator==(const Prefetched&) const = default;
  };
  std::vector<Prefetched> prefetched() const {
    const std::lock_guard lock(mutex_);
    return prefetched_;
  }
  std::vector<std::uint32_t> read_chunks() const {
    const std::lock_guard lock(mutex_);
    return read_;
  }

  /// One a read, as read_chunks().
  std::vector<peer::FetchClass> urgencies() const {
    const std::lock_guard lock(mutex_);
    return urgencies_;
  }

  void read(const peer::LayerIndex& layer, std::uint32_t position, peer::FetchClass urgency, Done done) override {
    const auto chunk = layer->chunk(position);
    if (!chunk.ok()) return done(chunk.status());
    Held request{*chunk, std::move(done)};
    std::unique_lock lock(mutex_);
    read_.push_back(position);
    urgencies_.push_back(urgency);
    if (holding_) {
      held_.push_back(std::move(request));
      changed_.notify_all();
      return;
    }
    const absl::Status failure = failure_;
    lock.unlock();
    answer(request, failure);
  }

  void prefetch(const peer::LayerIndex&, std::uint32_t first, std::uint32_t count, peer::FetchClass) override {
    const std::lock_guard lock(mutex_);
    prefetched_.push_back({first, count});
  }

 private:
  struct Held {
    cache_index::Chunk chunk;
    Done done;
  };

  void answer(const Held& request, const absl::Status& status) const {
    if (!status.ok()) return request.done(status);
    request.done(std::make_shared<const std::string>(
        stream_.substr(request.chunk.stream_offset, request.chunk.stream_size)));
  }

  void answer_held(const absl::Status& status) {
    std::vector<Held> held;
    {
      const std::lock_guard lock(mutex_);
      holding_ = false;
      held.swap(held_);
    }
    for (const Held& request : held) answer(request, status);
  }

  const std::string stream_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool holding_ = false;
  absl::Status failure_;
  std::vector<Held> held_;
  std::vector<std::uint32_t> read_;
  std::vector<peer::FetchClass> urgencies_;
  std::vector<Prefetched> prefetched_;
};

}  // namespace samara::fuse_fs
