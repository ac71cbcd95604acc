#pragma once

#include <chrono>
#include <optional>

#include "base/clock.h"
#include "base/http/server.h"
#include "base/metrics.h"
#include "registry_proxy/source.h"

namespace samara {

/// Passes an answer on to the client and notes what the access log says of it.
class ObservedResponse final : public http::ResponseWriter {
 public:
  /// Both are borrowed.
  ObservedResponse(http::ResponseWriter& out, const Clock& clock) : out_(out), clock_(clock) {}

  void header(std::string_view name, std::string_view value) override { out_.header(name, value); }
  absl::Status respond(int status, std::string_view body, std::string_view content_type) override {
    status_ = status;
    bytes_ += body.size();
    note_first_byte();
    return out_.respond(status, body, content_type);
  }
  absl::Status begin(int status, std::uint64_t content_length) override {
    status_ = status;
    return out_.begin(status, content_length);
  }
  absl::Status write(std::span<const std::uint8_t> data) override {
    bytes_ += data.size();
    note_first_byte();
    return out_.write(data);
  }
  absl::Status write_file(int fd, std::uint64_t offset, std::uint64_t length) override {
    bytes_ += length;
    note_first_byte();
    return out_.write_file(fd, offset, length);
  }
  bool is_head() const override { return out_.is_head(); }
  bool started() const override { return out_.started(); }

  int status() const { return status_; }           ///< 0 when nothing was answered
  std::uint64_t bytes() const { return is_head() ? 0 : bytes_; }  ///< of body, handed to the connection
  /// When the head and the first of the body were there to be sent; nullopt when nothing was.
  std::optional<std::chrono::steady_clock::time_point> first_byte() const { return first_byte_; }

 private:
  void note_first_byte() {
    if (!first_byte_) first_byte_ = clock_.now();
  }

  http::ResponseWriter& out_;
  const Clock& clock_;
  std::optional<std::chrono::steady_clock::time_point> first_byte_;
  int status_ = 0;
  std::uint64_t bytes_ = 0;
};

/// One line a request, and what is counted of it: requests by class, status and source, bytes sent, time to first byte.
/// Threads: any.
class AccessLog {
 public:
  /// Both are borrowed.
  AccessLog(Metrics& metrics, const Clock& clock) : metrics_(metrics), clock_(clock) {}

  /// `start` is when the request's head was there.
  void note(const http::Request& request, const ObservedResponse& answer, registry_proxy::Source source,
            std::chrono::steady_clock::time_point start);

 private:
  Metrics& metrics_;
  const Clock& clock_;
};

}  // namespace samara
