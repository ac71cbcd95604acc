#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "fuse_fs/slow_read.h"

namespace samara::fuse_fs {

/// The last slow reads, for whoever asks why a container was slow.
/// Threads: any.
class SlowReads {
 public:
  /// What takes less isn't worth telling.
  static constexpr std::chrono::milliseconds kSlow{5};
  static constexpr std::size_t kMost = 1024;

  /// Takes note; finds out in which cgroup the reader is.
  void add(SlowRead read);
  std::vector<SlowRead> all() const;  ///< the oldest first

 private:
  mutable std::mutex mutex_;
  std::vector<SlowRead> reads_;  // a ring once it is full
  std::size_t next_ = 0;
};

/// The path out of /proc/<pid>/cgroup: that of cgroup v2, else of the first controller. Empty when the process is gone.
std::string cgroup_of(std::int32_t pid);
/// The same out of such a file's text.
std::string parse_cgroup(std::string_view text);

}  // namespace samara::fuse_fs
