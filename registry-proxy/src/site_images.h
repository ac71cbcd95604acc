#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cache_index/cache.h"
#include "cache_index/image_cache.h"

namespace samara::registry_proxy {

/// The images that a site has by its own rows (docs/rows.md): what its tags name, and manifests that were pulled by digest
/// alone, as "<registry>/<repository>@<digest>". An index brings the manifests along that were asked for here, and an
/// image its signatures: what stands under cosign's tags, and what the last list of its referrers named.
/// Threads: any.
class SiteImages final : public cache_index::ImageCache::Names {
 public:
  /// `cache` is borrowed and has SiteApi::tables().
  explicit SiteImages(cache_index::Cache& cache) : cache_(cache) {}

  absl::StatusOr<std::vector<cache_index::ImageContents>> images() const override;
  absl::Status forget(const std::string& name) override;

  /// What a manifest that is kept here names, with itself; itself alone when it isn't here.
  cache_index::ImageContents contents_of(const Digest& manifest) const;

 private:
  class Attachments;
  absl::StatusOr<std::vector<cache_index::ImageContents>> untagged(const std::vector<cache_index::ImageContents>& tagged) const;

  cache_index::Cache& cache_;
};

}  // namespace samara::registry_proxy
