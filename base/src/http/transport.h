#pragma once

#include <sys/uio.h>

#include <chrono>
#include <cstdint>
#include <span>

#include "absl/status/statusor.h"

namespace samara::http {

/// The bytes of one connection, plain (Socket) or encrypted (TlsTransport); every wait has an end.
///
/// Errors: Cancelled (the other side left), DeadlineExceeded.
/// Threads: one.
class Transport {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  virtual ~Transport() = default;
  /// At least one byte, or 0 at the end of the stream.
  virtual absl::StatusOr<std::size_t> receive(std::span<std::uint8_t> out, TimePoint deadline) = 0;
  /// All of `parts`; `timeout` is the longest time without a byte accepted. More is said to follow when `more`.
  virtual absl::Status send(std::span<iovec> parts, std::chrono::milliseconds timeout, bool more) = 0;
  /// `length` bytes of `file` from `offset`; DataLoss when the file ends before that.
  virtual absl::Status send_file(int file, std::uint64_t offset, std::uint64_t length,
                                 std::chrono::milliseconds timeout) = 0;
  /// Says that nothing more comes, and reads what the client still sends, so that a close with unread bytes doesn't
  /// make the kernel throw away an answer that is still under way.
  virtual void linger(std::chrono::milliseconds at_most) = 0;
};

}  // namespace samara::http
