#pragma once

#include <string>
#include <vector>

#include "base/http/server.h"
#include "cache_index/cache.h"

namespace samara::registry_proxy {

/// The operator's pins, for `samara pins` and `samara pin`:
///
///   GET    /samara/v1/pins                                      {"pins": [{name, reason, expires, bytes, members}]}
///   PUT    /samara/v1/pins?name=NAME[&reason=TEXT][&seconds=N]  200, or 404 when nothing here has that name
///   DELETE /samara/v1/pins?name=NAME                            200 or 404
///
/// NAME is a digest, or a tag that was pulled through here ("docker.io/library/python:3.12"); a manifest brings its
/// config and layers along, an index its manifests. For this machine only: 403 for others.
void answer_pins(cache_index::Cache& cache, const http::Request& request, http::ResponseWriter& out);

/// What a pin of that name covers: every digest that is named by what is here. NotFound: no such tag.
absl::StatusOr<std::vector<Digest>> pin_members(cache_index::Cache& cache, const std::string& name);

}  // namespace samara::registry_proxy
