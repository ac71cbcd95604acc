#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace samara::fuse_fs {

/// A read that somebody waited for, for long.
struct SlowRead {
  std::uint32_t slot = 0, inode = 0;
  std::uint64_t offset = 0, size = 0;            ///< what the kernel asked for
  std::uint32_t first_chunk = 0, last_chunk = 0;
  std::chrono::system_clock::time_point ended{};
  std::chrono::milliseconds took{0};
  std::int32_t pid = 0;  ///< of the reader, as this machine numbers processes
  std::string cgroup{};  ///< where it ran (cgroups(7)), which names its container; empty when it was gone already
  std::string error{};   ///< empty: it was answered
};

}  // namespace samara::fuse_fs
