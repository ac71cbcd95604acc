#pragma once

#include <sys/uio.h>

#include <chrono>
#include <cstdint>
#include <span>

#include "absl/status/statusor.h"
#include "base/file.h"

namespace samara::http {

/// A connected, non-blocking TCP socket; every wait has an end. SIGPIPE is the caller's to block.
///
/// Errors: Cancelled (the other side left), DeadlineExceeded.
/// Threads: one, apart from shutdown(2) on fd() to make it stop.
class Socket {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  explicit Socket(Fd fd) : fd_(std::move(fd)) {}

  int fd() const { return fd_.get(); }
  /// At least one byte, or 0 at the end of the stream.
  absl::StatusOr<std::size_t> receive(std::span<std::uint8_t> out, TimePoint deadline);
  /// All of `parts`; `timeout` is the longest time without a byte accepted. More is said to follow when `more`.
  absl::Status send(std::span<iovec> parts, std::chrono::milliseconds timeout, bool more);
  /// `length` bytes of `file` from `offset`; DataLoss when the file ends before that.
  absl::Status send_file(int file, std::uint64_t offset, std::uint64_t length, std::chrono::milliseconds timeout);
  /// Says that nothing more comes, and reads what the client still sends, so that a close with unread bytes doesn't
  /// make the kernel throw away an answer that is still under way.
  void linger(std::chrono::milliseconds at_most);

 private:
  absl::Status wait(short events, TimePoint deadline);

  Fd fd_;
};

}  // namespace samara::http
