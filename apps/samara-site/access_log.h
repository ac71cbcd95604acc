#pragma once

#include "base/clock.h"
#include "base/http/server.h"
#include "base/metrics.h"

namespace samara {

/// Passes an answer on to the client and notes what the access log says of it.
class ObservedResponse final : public http::ResponseWriter {
 public:
  explicit ObservedResponse(http::ResponseWriter& out) : out_(out) {}

  void header(std::string_view name, std::string_view value) override { out_.header(name, value); }
  absl::Status respond(int status, std::string_view body, std::string_view content_type) override {
    status_ = status;
    bytes_ += body.size();
    return out_.respond(status, body, content_type);
  }
  absl::Status begin(int status, std::uint64_t content_length) override {
    status_ = status;
    return out_.begin(status, content_length);
  }
  absl::Status write(std::span<const std::uint8_t> data) override {
    bytes_ += data.size();
    return out_.write(data);
  }
  absl::Status write_file(int fd, std::uint64_t offset, std::uint64_t length) override {
    bytes_ += length;
    return out_.write_file(fd, offset, length);
  }
  bool is_head() const override { return out_.is_head(); }
  bool started() const override { return out_.started(); }

  int status() const { return status_; }           ///< 0 when nothing was answered
  std::uint64_t bytes() const { return is_head() ? 0 : bytes_; }  ///< of body, handed to the connection

 private:
  http::ResponseWriter& out_;
  int status_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace samara
