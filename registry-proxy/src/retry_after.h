#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/http/message.h"

namespace samara::registry_proxy {

/// How long a server wants to be left alone, from the value of its Retry-After; nullopt for anything else.
/// Shape:  "120", or an HTTP date in any of its three forms; a date that has passed gives 0.
/// Source: RFC 9110 §10.2.3, §5.6.7.
std::optional<std::chrono::seconds> parse_retry_after(std::string_view value,
                                                      std::chrono::system_clock::time_point now);

/// An error can carry how long it is going to last; it survives annotate(). nullopt when it doesn't.
absl::Status with_retry_after(absl::Status status, std::chrono::seconds wait);
std::optional<std::chrono::seconds> retry_after(const absl::Status& status);

/// ResourceExhausted for an answer that limits requests: for as long as its Retry-After says, at most `longest`; for
/// half a minute when it says nothing.
absl::Status limited(std::string_view message, const http::Headers& answer, const Clock& clock,
                     std::chrono::milliseconds longest);

}  // namespace samara::registry_proxy
