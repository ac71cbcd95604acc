#pragma once

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>

#include "base/file_calls.h"

namespace samara {

/// One write in so many; 0: none.
struct FaultOdds {
  std::uint32_t short_write = 0, io_error = 0, no_space = 0, killed = 0;
};

/// While it lives, one in so many writes of this process goes wrong: part of it only, EIO, ENOSPC, or the process is
/// killed in its middle. Which ones is told by the seed and the order of the writes.
class FileFaults {
 public:
  FileFaults(const FaultOdds& odds, std::uint32_t seed) {
    odds_ = odds;
    state_ = seed * 2654435761u + 1;
    file_calls = &kFaulty;
  }
  ~FileFaults() { file_calls = before_; }
  FileFaults(const FileFaults&) = delete;

 private:
  static bool happens(std::uint32_t one_in) {
    if (one_in == 0) return false;
    std::uint32_t x = state_.fetch_add(0x9E3779B9u);  // each write draws its own number, whatever the thread
    x ^= x >> 16;
    x *= 0x85EBCA6Bu;
    x ^= x >> 13;
    x *= 0xC2B2AE35u;
    x ^= x >> 16;
    return x % one_in == 0;
  }
  static ssize_t fail(int error) {
    errno = error;
    return -1;
  }
  static ssize_t pwrite(int fd, const void* from, std::size_t bytes, off_t offset) {
    const std::size_t part = std::max<std::size_t>(1, bytes / 2);
    if (happens(odds_.short_write)) return ::pwrite(fd, from, part, offset);
    if (happens(odds_.io_error)) return ::pwrite(fd, from, part, offset) < 0 ? -1 : fail(EIO);
    if (happens(odds_.no_space)) return fail(ENOSPC);
    if (happens(odds_.killed)) {
      (void)!::pwrite(fd, from, part, offset);
      ::kill(::getpid(), SIGKILL);
    }
    return ::pwrite(fd, from, bytes, offset);
  }

  static inline FaultOdds odds_;
  static inline std::atomic<std::uint32_t> state_{0};
  static constexpr FileCalls kFaulty{::pread, &FileFaults::pwrite};
  const FileCalls* const before_ = file_calls;
};

}  // namespace samara
