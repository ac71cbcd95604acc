#include "registry_proxy/request_class.h"

#include "route.h"

namespace samara::registry_proxy {

std::string_view request_class(const http::Request& request) {
  const std::string_view path = request.target.path;
  const bool ranged = request.headers.find("Range").has_value();
  if (path.starts_with("/samara/v1/layers/")) return "layer";
  if (path.starts_with("/samara/v1/objects/")) return ranged ? "object-range" : "object";
  switch (parse_route(path).kind) {
    case Route::Kind::kBase: return "base";
    case Route::Kind::kManifest: return "manifest";
    case Route::Kind::kBlob: return ranged ? "blob-range" : "blob";
    case Route::Kind::kTags: return "tags";
    case Route::Kind::kReferrers: return "referrers";
    case Route::Kind::kCatalog: return "catalog";
    case Route::Kind::kUpload: return "push";
    case Route::Kind::kNone: break;
  }
  return "other";
}

}  // namespace samara::registry_proxy
