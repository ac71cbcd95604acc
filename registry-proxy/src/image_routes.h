#pragma once

#include <string_view>

#include "base/http/server.h"
#include "cache_index/cache.h"

namespace samara::registry_proxy {

inline constexpr std::string_view kImagesPath = "/samara/v1/images";
inline constexpr std::string_view kPrunePath = "/samara/v1/images/prune";

/// The images of the site's cache, for `samara image`. Bodies are the JSON of samara.node.v1's messages of those names, so
/// that people see the same of a node and of a site.
///
///   GET    /samara/v1/images[?name=NAME]                        200 ImagesResponse; 404 when that one isn't here
///   DELETE /samara/v1/images?name=NAME[&plan=1]                 200 RemovedImages, 404, or 409: pinned or in use
///   POST   /samara/v1/images/prune[?unused_seconds=N][&plan=1]  200 RemovedImages
///
/// NAME is a tag ("docker.io/library/python:3.12") or the digest of a manifest. For this machine only: 403 for others.
void answer_images(cache_index::Cache& cache, const http::Request& request, http::ResponseWriter& out);

/// Does the request come from this machine?
bool is_this_machine(std::string_view peer);

}  // namespace samara::registry_proxy
