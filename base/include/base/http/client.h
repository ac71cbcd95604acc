#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "base/byte_range.h"
#include "base/http/message.h"

namespace samara::http {

struct ClientRequest {
  std::string method = "GET";
  std::string url;  ///< http:// or https://
  Headers headers;
  std::string body;  ///< of a POST; sent again by redirects with 307 and 308
  std::optional<ByteRange> range;  ///< sent as a Range header; non-empty
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds idle_timeout{30'000};  ///< longest silence, before and within the body
  bool follow_redirects = false;                   ///< at most 5; Authorization stays with the first host
  std::string ca_file;                             ///< PEM bundle in place of the system's; empty: the system's
  std::string client_certificate;                  ///< PEM, shown to a server that asks for one; empty: none
  std::string client_key;                          ///< its private key, PEM without a passphrase
  bool any_server_name = false;  ///< a certificate for another name than the URL's will do, if ca_file vouches for it
  std::stop_token stop;                            ///< ends the transfer with Cancelled
};

struct ResponseHead {
  int status = 0;
  Headers headers;
};

struct Response {
  ResponseHead head;
  std::string body;
};

/// Blocking HTTP client over a pool of kept-alive connections.
///
/// HTTP proxies are taken from the environment: HTTPS_PROXY for https, HTTP_PROXY for http, ALL_PROXY for either (or
/// the same in lower case, which goes first), except for the hosts in NO_PROXY. This machine itself (localhost,
/// 127.0.0.0/8, ::1) is never asked through a proxy.
/// Files of certificates and keys are read for each new connection, an authority's at most a minute late.
///
/// Errors: Unavailable (can't connect, connection lost, body shorter than announced), DeadlineExceeded (time-outs),
/// Cancelled (stop token), InvalidArgument (URL). Any HTTP status is a success here. No message holds a header value.
/// Threads: any, many at once.
class Client {
 public:
  using OnHead = std::function<absl::Status(const ResponseHead&)>;
  using OnBody = std::function<absl::Status(std::span<const std::uint8_t>)>;

  Client();
  ~Client();
  Client(const Client&) = delete;

  /// Streams: `on_head` once (after redirects), then `on_body` for each piece. An error from either ends the transfer
  /// and is returned as it is. No automatic decompression.
  absl::Status stream(const ClientRequest& request, const OnHead& on_head, const OnBody& on_body);

  /// The whole answer; ResourceExhausted when the body is larger than `limit` bytes.
  absl::StatusOr<Response> get(const ClientRequest& request, std::uint64_t limit = 16u << 20);

 private:
  class Pool;
  std::unique_ptr<Pool> pool_;
};

}  // namespace samara::http
