#pragma once

#include <string>

#include "base/http/server.h"
#include "transport.h"

namespace samara::http {

/// Reads one request head after the other from a connection; bytes that came early wait for the next.
/// Source: RFC 9112. Threads: one.
class RequestReader {
 public:
  enum class Outcome {
    kRequest,  ///< `request` is whole
    kRefuse,   ///< answer `status` with `reason`, then close
    kClose,    ///< nothing to answer: the client left or stayed silent
  };
  struct Result {
    Outcome outcome = Outcome::kClose;
    Request request;  ///< without `peer`
    bool http_1_0 = false;
    bool keep_alive = false;
    bool has_body = false;  ///< which nobody reads: the connection can't be used again
    int status = 0;
    std::string reason;
  };

  /// Blocks until a head is whole or `deadline` has passed. No exception leaves.
  Result next(Transport& transport, Transport::TimePoint deadline);
  /// The same over bytes in memory, for tests and fuzzing: kClose when the head isn't whole.
  Result parse(std::string_view bytes);

 private:
  class Parser;
  std::string buffer_;  // received, not yet consumed
};

}  // namespace samara::http
