#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "registry_proxy/manifest.h"

namespace samara::registry_proxy {

/// What a program runs on: "linux/amd64", "linux/arm64/v8". Source: OCI Image Specification v1.1, image-index.md.
struct Platform {
  std::string os, architecture, variant;  ///< variant: may be empty

  std::string to_string() const;
  /// Does an image for this run where `wanted` is wanted? A variant that either doesn't name fits any.
  bool fits(const Platform& wanted) const;
};

/// "os/architecture[/variant]". InvalidArgument.
absl::StatusOr<Platform> parse_platform(std::string_view text);
/// That of the machine we run on.
Platform own_platform();

/// The image of an index (manifest list) for a platform: the first that fits.
/// Errors: NotFound, naming the platforms that there are; InvalidArgument (not an index).
absl::StatusOr<Descriptor> choose_image(std::string_view index, const Platform& wanted);
/// The platform that an image's config names. InvalidArgument.
absl::StatusOr<Platform> platform_of_config(std::string_view config);

}  // namespace samara::registry_proxy
