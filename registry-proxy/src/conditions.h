#pragma once

#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/http/message.h"

namespace samara::registry_proxy {

/// The entity tag of what a digest names: the digest in double quotes. Strong: the bytes never change.
/// Source: RFC 9110 §8.8.3.
std::string etag_of(const Digest& digest);

/// Does If-None-Match say that the client has these bytes already, so that 304 is the answer? Source: RFC 9110 §13.1.2.
bool has_already(const http::Headers& request, const Digest& digest);

/// The Range that counts: empty when there is none, or when If-Range names other bytes than these (a date does too: it
/// can't be told from a stale one), and then the whole is the answer. Source: RFC 9110 §13.1.5.
std::string_view effective_range(const http::Headers& request, const Digest& digest);

/// Does Accept allow this media type? Yes when there is no Accept. Weights other than 0 are ignored: there is only one
/// thing to choose from. Source: RFC 9110 §12.5.1.
bool accepts(const http::Headers& request, std::string_view media_type);

}  // namespace samara::registry_proxy
