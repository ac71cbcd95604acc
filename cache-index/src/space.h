#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/digest.h"
#include "cache_index/cache.h"

namespace samara::cache_index {

/// How many bytes of disk the cache takes, and how many it may take. Blocks are what counts: a sparse file costs what it
/// holds, and a hole gives back only whole blocks.
/// Threads: any.
class Space {
 public:
  Space(std::string root, const Cache::Limits& limits) : root_(std::move(root)), limits_(limits) {}

  /// Blocks of a file under objects/, as fstat(2) tells them, in bytes.
  void set_file(const Digest& name, std::uint64_t bytes);
  void set_file(const Digest& name, int fd);
  void remove_file(const Digest& name);
  std::uint64_t file_bytes(const Digest& name) const;
  std::uint64_t files() const;

  /// Of single objects on their way.
  void add_incoming(std::int64_t bytes) { incoming_ += bytes; }
  /// Measures what grows without passing through us: the database, and the directories in which layers are converted.
  void measure_rest();

  std::uint64_t used() const;
  /// What used() may reach: the quota, or less where the filesystem would have less free than it must. nullopt: no limit
  /// is set.
  std::optional<std::uint64_t> limit() const;
  bool fits(std::uint64_t more) const;

 private:
  const std::string root_;
  const Cache::Limits limits_;
  std::atomic<std::int64_t> incoming_{0};
  std::atomic<std::uint64_t> rest_{0};
  mutable std::mutex mutex_;
  std::unordered_map<Digest, std::uint64_t> files_;
  std::uint64_t files_bytes_ = 0;
};

}  // namespace samara::cache_index
