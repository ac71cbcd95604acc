#pragma once

#include <string_view>

namespace samara::registry_proxy {

/// What a path under /v2 is for. The parts are of the path that parse_route() was given, and not checked yet.
///
///   kBase       /v2 and /v2/                               end-1
///   kBlob       /v2/<repository>/blobs/<digest>            end-2, end-10
///   kManifest   /v2/<repository>/manifests/<reference>     end-3, end-7, end-9
///   kUpload     /v2/<repository>/blobs/uploads/[<id>]      end-4, end-5, end-6, end-11, end-13
///   kTags       /v2/<repository>/tags/list                 end-8
///   kReferrers  /v2/<repository>/referrers/<digest>        end-12
///   kCatalog    /v2/_catalog                               Distribution's, not in the specification any more
///   kNone       anything else
///
/// Source: OCI Distribution Specification v1.1, "Endpoints".
struct Route {
  enum class Kind { kNone, kBase, kBlob, kManifest, kUpload, kTags, kReferrers, kCatalog };
  Kind kind = Kind::kNone;
  std::string_view repository;
  std::string_view reference;  ///< tag or digest
};

Route parse_route(std::string_view path);

}  // namespace samara::registry_proxy
