#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/digest.h"
#include "cache_index/cache.h"

namespace samara::cache_index {

/// An image as a daemon knows it: its name and what belongs to it, here or not.
struct ImageContents {
  std::string name;             ///< "docker.io/library/python:3.12", or "…@sha256:…" where no tag names it
  Digest manifest;              ///< null: not known
  std::vector<Digest> objects;  ///< manifests, configs, signatures
  std::vector<Digest> layers;   ///< as manifests name them, bottom first as far as that is known
  std::string in_use;           ///< by what, for people; empty: by nothing

  std::vector<Digest> members() const;  ///< objects and layers, as a pin's
  bool is_meant_by(std::string_view name_or_manifest) const;
};

/// How much of an image is here.
struct ImageState {
  struct Layer {
    Digest layer;
    std::uint64_t bytes = 0, bytes_total = 0;  ///< compressed; total 0: its index isn't here, so nobody knows
    std::uint64_t original_bytes = 0;          ///< of the layer as its registry has it, where that is here too
    std::vector<std::string> shared_with;      ///< names of other images with this very layer
  };
  ImageContents image;
  std::vector<Layer> layers;
  std::uint64_t bytes = 0, bytes_total = 0;  ///< objects, indexes and chunks, each once; of unknown layers nothing
  std::uint64_t bytes_shared = 0;            ///< of `bytes`: that another image here needs too
  bool complete = false;                     ///< every byte of every layer is here
  std::uint64_t last_use = 0;                ///< seconds since the epoch, of whatever of it was used last; to ten minutes
  std::vector<Cache::Pin> pins;              ///< that cover all of it

  bool is_here() const { return bytes > 0; }
};

/// The images of a machine's cache, as people look at them and take them away.
///
/// What two images share, and what a pin or a mount needs, stays until the last of them goes.
/// Threads: any.
class ImageCache {
 public:
  /// What knows the names: a site's tags, a node's images.
  class Names {
   public:
    virtual ~Names() = default;
    virtual absl::StatusOr<std::vector<ImageContents>> images() const = 0;
    /// From now on it isn't listed, until it comes again. OK when it isn't there.
    virtual absl::Status forget(const std::string& name) = 0;
  };
  /// All are borrowed.
  ImageCache(Cache& cache, Names& names, const Clock& clock) : cache_(cache), names_(names), clock_(clock) {}

  /// Those of which something is here, by name.
  absl::StatusOr<std::vector<ImageState>> list() const;
  /// `name`: an image's, or the digest of its manifest. NotFound, saying what to do.
  absl::StatusOr<ImageContents> find(const std::string& name) const;

  struct Kept {
    std::string name, why;
  };
  struct Removed {
    std::vector<std::string> images;
    std::vector<Kept> kept;
    std::uint64_t bytes = 0;  ///< of disk that became free, or would
  };
  /// Removes one image. NotFound; FailedPrecondition (pinned, or in use), saying by what and what to do.
  absl::StatusOr<Removed> remove(const std::string& name, Cache::Doing doing);
  /// Removes the images that nobody pins or uses and that were used last `unused_for` ago or more, and whatever else has
  /// lain here as long for no image.
  absl::StatusOr<Removed> prune(std::chrono::seconds unused_for, Cache::Doing doing);

 private:
  std::uint64_t now() const;

  Cache& cache_;
  Names& names_;
  const Clock& clock_;
};

/// Why it can't go; empty: it can.
std::string why_it_stays(const ImageState& state);

}  // namespace samara::cache_index
