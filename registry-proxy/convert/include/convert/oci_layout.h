#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/digest.h"

namespace samara::convert {

/// A layer as its image's manifest and config name it.
struct LayoutLayer {
  std::string media_type;
  Digest digest;  ///< of the bytes in the layout
  std::uint64_t size = 0;
  Digest diff_id;  ///< of the tar inside
};

struct LayoutImage {
  std::string name;      ///< its tag in the layout (org.opencontainers.image.ref.name), or empty
  std::string platform;  ///< "linux/amd64" or "linux/arm64/v8", from its config
  Digest manifest;
  std::vector<LayoutLayer> layers;  ///< lowest first
};

/// An OCI image layout directory: oci-layout, index.json and blobs/.
///
/// Manifests, configs and nested indexes are checked against the digest and the size in their descriptors; layers are
/// not read here.
/// Errors: NotFound (no layout, or a blob that isn't there), DataLoss (a digest or size differs), InvalidArgument (not
/// the JSON it should be, naming the file and the field), Unimplemented (layers that aren't tars; more than
/// kMaxManifests), ResourceExhausted (a document above 4 MiB).
/// Source: OCI Image Specification v1.1, image-layout.md, image-index.md, manifest.md, config.md.
class OciLayout {
 public:
  static absl::StatusOr<OciLayout> open(std::string directory);

  /// The images called `tag` ("" takes all) for `platform` ("os/architecture[/variant]", "" takes all), following
  /// nested indexes. NotFound when there is none, saying what there is.
  absl::StatusOr<std::vector<LayoutImage>> images(std::string_view tag, std::string_view platform) const;

  std::string blob_path(const Digest& digest) const;

  static constexpr int kMaxDepth = 4;
  static constexpr std::size_t kMaxManifests = 1000;

 private:
  explicit OciLayout(std::string directory) : directory_(std::move(directory)) {}

  std::string directory_;
};

}  // namespace samara::convert
