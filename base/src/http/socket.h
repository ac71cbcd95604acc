#pragma once

#include "base/file.h"
#include "transport.h"

namespace samara::http {

/// A connected, non-blocking TCP socket. SIGPIPE is the caller's to block.
///
/// Threads: one, apart from shutdown(2) on fd() to make it stop.
class Socket final : public Transport {
 public:
  explicit Socket(Fd fd) : fd_(std::move(fd)) {}

  int fd() const { return fd_.get(); }
  absl::StatusOr<std::size_t> receive(std::span<std::uint8_t> out, TimePoint deadline) override;
  absl::Status send(std::span<iovec> parts, std::chrono::milliseconds timeout, bool more) override;
  absl::Status send_file(int file, std::uint64_t offset, std::uint64_t length,
                         std::chrono::milliseconds timeout) override;
  void linger(std::chrono::milliseconds at_most) override;
  /// Until one of poll(2)'s `events`, or an error that the next call will show.
  absl::Status wait(short events, TimePoint deadline);

 private:
  Fd fd_;
};

/// What errno means after a call on a connection: Cancelled when the other side left.
absl::Status connection_error(int error);

}  // namespace samara::http
