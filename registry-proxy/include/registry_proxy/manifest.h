#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/digest.h"

namespace samara::registry_proxy {

inline constexpr std::uint64_t kMaxManifestBytes = 8u << 20;

/// What a manifest says of a blob or of another manifest.
/// Source: OCI Image Specification v1.1, descriptor.md.
struct Descriptor {
  std::string media_type;
  Digest digest;
  std::uint64_t size = 0;
};

/// An image manifest, or an index (manifest list) that names one for each platform, or something of another type that
/// is only passed on.
struct Manifest {
  enum class Kind { kImage, kIndex, kOther };
  Kind kind = Kind::kImage;
  std::string media_type;
  Descriptor config;               ///< of an image
  std::vector<Descriptor> layers;  ///< of an image, bottom first
};

/// The media types that a registry is asked for, as an Accept value: Docker's schema 2 and OCI's, image and index.
std::string_view accepted_manifest_types();

/// Reads a manifest of untrusted bytes. `content_type` is what the registry said; generic types say nothing. A type
/// that isn't known here is taken for a manifest's when it says itself what Content-Type says.
/// Errors: InvalidArgument (not JSON, unknown schema version, contradicting media types, a broken or missing
/// descriptor), naming the reason.
/// Source: OCI Image Specification v1.1, manifest.md and image-index.md; Docker image manifest v2, schema 2.
absl::StatusOr<Manifest> parse_manifest(std::string_view bytes, std::string_view content_type);

/// Is this a runnable image rather than an artifact that uses the manifest for something else?
bool is_container_image(const Manifest& manifest);

/// Is this a tar, compressed or not, that a registry holds and that can be converted?
bool is_layer_type(std::string_view media_type);

/// Is this an image of which every layer can be converted? Signatures may have an image's config too, but no layers.
bool is_convertible_image(const Manifest& manifest);

/// The diffIDs of an image config, bottom first. InvalidArgument when it isn't one or has another number of them.
absl::StatusOr<std::vector<Digest>> parse_diff_ids(std::string_view config, std::size_t layers);

}  // namespace samara::registry_proxy
