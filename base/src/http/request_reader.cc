#include "request_reader.h"

#include <array>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <exception>

#include "absl/strings/match.h"
#include "base/text.h"

namespace samara::http {
namespace {

namespace beast_http = boost::beast::http;

constexpr std::uint32_t kHeadLimit = 64 * 1024;

RequestReader::Result refuse(int status, std::string reason) {
  RequestReader::Result result;
  result.outcome = RequestReader::Outcome::kRefuse;
  result.status = status;
  result.reason = std::move(reason);
  return result;
}

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

// One head. Errors of the grammar are Beast's to find; what this server accepts beyond that is decided in result().
class RequestReader::Parser {
 public:
  Parser() {
    parser_.header_limit(kHeadLimit);
    parser_.eager(false);
  }

  bool done() const { return parser_.is_header_done(); }
  bool failed() const { return error_.failed(); }
  Result failure() const {
    if (error_ == beast_http::error::header_limit) return refuse(431, "the request head is larger than 64 KiB");
    if (error_ == beast_http::error::bad_version) return refuse(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    return refuse(400, str_cat("malformed request: ", error_.message()));
  }

  // Takes what it can from the front of `buffer`.
  void feed(std::string& buffer) {
    boost::system::error_code error;
    const std::size_t used = parser_.put(boost::asio::buffer(buffer.data(), buffer.size()), error);
    buffer.erase(0, used);
    if (error && error != beast_http::error::need_more) error_ = error;
  }

  Result result() {
    const auto& message = parser_.get();
    const bool has_body =
        parser_.chunked() || parser_.content_length().value_or(0) > 0 || message.count("Transfer-Encoding") > 0;
    const bool reads = message.method() == beast_http::verb::get || message.method() == beast_http::verb::head;
    if (has_body && reads) return refuse(413, "requests with a body are not accepted");
    const std::size_t hosts = message.count("Host");
    if (hosts > 1 || (hosts == 0 && message.version() >= 11)) return refuse(400, "exactly one Host header is needed");
    if (const auto expect = view(message["Expect"]);
        !expect.empty() && !absl::EqualsIgnoreCase(to_absl(expect), "100-continue"))
      return refuse(417, "unknown expectation");
    auto target = parse_target(view(message.target()));
    if (!target) return refuse(400, "malformed request target");

    Result result;
    result.outcome = Outcome::kRequest;
    result.http_1_0 = message.version() < 11;
    result.keep_alive = message.keep_alive();
    result.has_body = has_body;
    result.request.method = std::string(view(message.method_string()));
    result.request.target = std::move(*target);
    for (const auto& field : message) result.request.headers.add(view(field.name_string()), view(field.value()));
    return result;
  }

 private:
  beast_http::request_parser<beast_http::empty_body> parser_;
  boost::system::error_code error_;
};

RequestReader::Result RequestReader::next(Transport& transport, Transport::TimePoint deadline) try {
  Parser parser;
  std::array<std::uint8_t, 16384> piece;
  bool begun = false;
  while (true) {
    if (!begun) buffer_.erase(0, buffer_.find_first_not_of("\r\n"));  // RFC 9112 §2.2
    if (!buffer_.empty()) {
      begun = true;
      parser.feed(buffer_);
      if (parser.failed()) return parser.failure();
      if (parser.done()) return parser.result();
    }
    const auto n = transport.receive(piece, deadline);
    if (absl::IsDeadlineExceeded(n.status()) && begun) return refuse(408, "the request head took too long");
    if (!n.ok() || *n == 0) return {};
    buffer_.append(reinterpret_cast<const char*>(piece.data()), *n);
  }
} catch (const std::exception& e) {  // Beast reports some limits by throwing
  return refuse(400, "malformed request");
}

RequestReader::Result RequestReader::parse(std::string_view bytes) try {
  Parser parser;
  buffer_.assign(bytes);
  parser.feed(buffer_);
  if (parser.failed()) return parser.failure();
  if (parser.done()) return parser.result();
  return {};
} catch (const std::exception& e) {
  return refuse(400, "malformed request");
}

}  // namespace samara::http
