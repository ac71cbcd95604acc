#pragma once

#include <string>

#include "base/http/server.h"
#include "request_reader.h"
#include "transport.h"

namespace samara::http {

/// The ResponseWriter of one request on one connection. The head waits for the first bytes of the body, so that a
/// small answer is one packet.
class TransportWriter final : public ResponseWriter {
 public:
  enum class Connection { kKeepAlive, kClose };

  /// `request` decides about HEAD, version and keep-alive.
  TransportWriter(Transport& transport, std::chrono::milliseconds send_timeout, const RequestReader::Result& request);

  void header(std::string_view name, std::string_view value) override;
  absl::Status respond(int status, std::string_view body, std::string_view content_type) override;
  absl::Status begin(int status, std::uint64_t content_length) override;
  absl::Status write(std::span<const std::uint8_t> data) override;
  absl::Status write_file(int fd, std::uint64_t offset, std::uint64_t length) override;
  bool is_head() const override { return is_head_; }
  bool started() const override { return started_; }

  /// After the handler: sends what is still held back; says whether the connection can serve another request.
  Connection finish();
  void close_after() { keep_alive_ = false; }

 private:
  absl::Status account(std::uint64_t bytes);
  absl::Status send(std::span<const std::uint8_t> body, bool more);
  absl::Status note(absl::Status status);

  Transport& transport_;
  const std::chrono::milliseconds send_timeout_;
  const bool is_head_;
  const bool http_1_0_;
  bool keep_alive_;
  bool started_ = false;
  std::string headers_;
  std::string head_;  // made, not yet sent
  std::uint64_t promised_ = 0;
  std::uint64_t written_ = 0;
  absl::Status failed_;
};

}  // namespace samara::http
