#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cache_index/cache.h"
#include "cache_index/image_import.h"
#include "registry_proxy/entitlements.h"
#include "registry_proxy/manifests.h"
#include "registry_proxy/references.h"
#include "registry_proxy/start_traces.h"
#include "registry_proxy/upstream.h"

namespace samara::registry_proxy {

/// Takes images into a site that may have no network at all; docs/archive.md is the file that they come out of. What the
/// name means is served as if its registry had given it, to everybody who may use the site for as long as the registry
/// doesn't say otherwise.
/// Threads: any.
class ImageImport final : public cache_index::ImageImport {
 public:
  /// Everything is borrowed.
  ImageImport(cache_index::Cache& cache, Upstreams& upstreams, Manifests& manifests, References& references,
              Entitlements& entitlements, StartTraces& traces, const Clock& clock);

  absl::StatusOr<std::vector<Wanted>> offer(const std::string& image, const std::vector<Digest>& objects) override;
  absl::StatusOr<std::unique_ptr<cache_index::ObjectWriter>> writer(const Digest& object) override;
  absl::Status publish(const cache_index::ImportedImage& image) override;

 private:
  using ImportedImage = cache_index::ImportedImage;
  absl::Status prove_layers(const ImportedImage& image, const StoredManifest& manifest);
  absl::Status prove(const cache_index::LayerRecord& record, const Digest& diff_id);
  absl::Status keep(const ImportedImage& image, const Repository& repository, const std::vector<StoredManifest>& manifests);
  absl::Status pin(const ImportedImage& image, const Repository& repository, const Digest& root);

  cache_index::Cache& cache_;
  Upstreams& upstreams_;
  Manifests& manifests_;
  References& references_;
  Entitlements& entitlements_;
  StartTraces& traces_;
  const Clock& clock_;
};

}  // namespace samara::registry_proxy
