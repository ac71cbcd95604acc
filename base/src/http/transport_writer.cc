#include "transport_writer.h"

#include <algorithm>
#include <array>
#include <ctime>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"

namespace samara::http {
namespace {

bool has_no_body(int status) { return status / 100 == 1 || status == 204 || status == 304; }

// Nothing from outside may end a header line early.
void append_clean(std::string& out, std::string_view text) {
  const std::size_t begin = out.size();
  out += text;
  std::replace_if(out.begin() + static_cast<std::ptrdiff_t>(begin), out.end(),
                  [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
}

// IMF-fixdate, RFC 9110 §5.6.7.
std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::array<char, 64> text;
  return {text.data(), std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

}  // namespace

TransportWriter::TransportWriter(Transport& transport, std::chrono::milliseconds send_timeout, const RequestReader::Result& request)
    : transport_(transport),
      send_timeout_(send_timeout),
      is_head_(request.request.method == "HEAD"),
      http_1_0_(request.http_1_0),
      keep_alive_(request.keep_alive) {}

void TransportWriter::header(std::string_view name, std::string_view value) {
  append_clean(headers_, name);
  headers_ += ": ";
  append_clean(headers_, value);
  headers_ += "\r\n";
}

absl::Status TransportWriter::respond(int status, std::string_view body, std::string_view content_type) {
  if (!content_type.empty()) header("Content-Type", content_type);
  SAMARA_RETURN_IF_ERROR(begin(status, has_no_body(status) ? 0 : body.size()));
  if (has_no_body(status) || body.empty()) return absl::OkStatus();
  return write(as_bytes(body));
}

absl::Status TransportWriter::begin(int status, std::uint64_t content_length) {
  if (started_) return note(absl::InternalError("an answer was begun twice"));
  started_ = true;
  promised_ = content_length;
  head_ = str_cat("HTTP/1.1 ", status, " ", reason_phrase(status), "\r\nDate: ", http_date(), "\r\n", headers_);
  if (!has_no_body(status)) str_append(&head_, "Content-Length: ", content_length, "\r\n");
  if (!keep_alive_) str_append(&head_, "Connection: close\r\n");
  if (keep_alive_ && http_1_0_) str_append(&head_, "Connection: keep-alive\r\n");
  head_ += "\r\n";
  return absl::OkStatus();
}

absl::Status TransportWriter::account(std::uint64_t bytes) {
  if (!failed_.ok()) return failed_;
  if (!started_) return note(absl::InternalError("a body without begin()"));
  if (bytes > promised_ - written_) return note(absl::OutOfRangeError("more body than its Content-Length"));
  return absl::OkStatus();
}

absl::Status TransportWriter::note(absl::Status status) {
  if (failed_.ok()) failed_ = status;
  return status;
}

absl::Status TransportWriter::send(std::span<const std::uint8_t> body, bool more) {
  std::array<iovec, 2> parts{iovec{head_.data(), head_.size()},
                             iovec{const_cast<std::uint8_t*>(body.data()), body.size()}};
  absl::Status status = note(transport_.send(parts, send_timeout_, more));
  head_.clear();
  return status;
}

absl::Status TransportWriter::write(std::span<const std::uint8_t> data) {
  SAMARA_RETURN_IF_ERROR(account(data.size()));
  if (!is_head_) SAMARA_RETURN_IF_ERROR(send(data, false));
  written_ += data.size();
  return absl::OkStatus();
}

absl::Status TransportWriter::write_file(int fd, std::uint64_t offset, std::uint64_t length) {
  SAMARA_RETURN_IF_ERROR(account(length));
  if (!is_head_) {
    SAMARA_RETURN_IF_ERROR(send({}, length > 0));
    SAMARA_RETURN_IF_ERROR(note(transport_.send_file(fd, offset, length, send_timeout_)));
  }
  written_ += length;
  return absl::OkStatus();
}

TransportWriter::Connection TransportWriter::finish() {
  const bool nothing_sent = !head_.empty() && written_ == 0;
  if (failed_.ok() && nothing_sent && promised_ > 0 && !is_head_) {  // better an error than a promise broken
    started_ = keep_alive_ = false;
    headers_.clear();
  }
  if (!started_) (void)respond(500, "the request was not answered\n", "text/plain");  // send() remembers an error
  if (failed_.ok() && !head_.empty()) (void)send({}, false);
  const bool complete = is_head_ || written_ == promised_;
  return failed_.ok() && complete && keep_alive_ ? Connection::kKeepAlive : Connection::kClose;
}

}  // namespace samara::http
