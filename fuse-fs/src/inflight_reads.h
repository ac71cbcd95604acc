#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "read_operation.h"

namespace samara::fuse_fs {

/// The reads that wait for chunks, so that an interrupt finds its read and the end of the mount finds them all.
/// Threads: any.
class InflightReads {
 public:
  /// A number that no other read has.
  std::uint64_t new_id();
  void add(std::uint64_t id, std::shared_ptr<ReadOperation> read);
  void remove(std::uint64_t id);  ///< fine if it isn't there
  std::shared_ptr<ReadOperation> find(std::uint64_t id) const;
  std::size_t size() const;
  std::size_t older_than(std::chrono::steady_clock::duration age) const;

  /// Waits until there is none, but no longer than `patience`.
  void wait_until_none(std::chrono::milliseconds patience);
  /// Cancels every read with `error` and waits until all have ended. Nothing may be added any more.
  void drain(int error);

 private:
  mutable std::mutex mutex_;
  std::condition_variable empty_;
  std::uint64_t last_id_ = 0;
  std::unordered_map<std::uint64_t, std::shared_ptr<ReadOperation>> reads_;
};

}  // namespace samara::fuse_fs
