#pragma once

#include <string_view>

#include "base/http/server.h"

namespace samara::registry_proxy {

/// What kind of thing a request of the mirror or the site's API is for; few and fixed, so that it can be a metric's label:
/// base, manifest, blob, blob-range, tags, referrers, catalog, push, layer, object, object-range, other.
/// An object-range is what nodes ask chunks with; an index comes as an object.
std::string_view request_class(const http::Request& request);

}  // namespace samara::registry_proxy
