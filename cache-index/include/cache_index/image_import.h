#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cache_index/cache.h"

namespace samara::cache_index {

/// A converted image that comes out of a file instead of a registry.
struct ImportedImage {
  struct NamedManifest {
    Digest digest;
    std::string media_type;
    std::string tag;  ///< that names it in the image's repository; empty: none. Of the first one the image's name does
  };
  struct Referrers {
    Digest subject;
    std::string list;  ///< an OCI index, as a registry gave it
  };
  std::string name;                      ///< "docker.io/library/python:3.12"
  std::vector<NamedManifest> manifests;  ///< what the name means first; then of an index the platforms', and signatures
  std::vector<LayerRecord> layers;       ///< layer_size isn't set
  std::vector<Referrers> referrers;
  std::vector<std::string> traces;  ///< of peer/start_trace.h
  std::uint64_t pin_seconds = 0;    ///< 0: not pinned for a time
  bool pin_for_good = false;
  std::string pin_reason;
};

/// Takes images into this machine's cache, and names them. The objects come first, each compared with its digest, and
/// nothing shows of them; publish() proves every layer before it names the image.
///
/// Whoever calls this decides what names mean here: it is the operator's alone.
/// Threads: any.
class ImageImport {
 public:
  virtual ~ImageImport() = default;
  struct Wanted {
    Digest object;
    std::uint64_t here = 0;  ///< bytes of it that have come already
  };
  /// Which of an image's objects are missing; keeps those that are here, and those that come, from eviction for a day.
  /// Errors: InvalidArgument (no name, too many objects), FailedPrecondition (no image of that registry is served here),
  /// those of the cache.
  virtual absl::StatusOr<std::vector<Wanted>> offer(const std::string& image, const std::vector<Digest>& objects) = 0;
  /// Where one of them is written; goes on where an earlier one broke off. Its commit() compares the digest.
  virtual absl::StatusOr<std::unique_ptr<ObjectWriter>> writer(const Digest& object) = 0;
  /// Errors: InvalidArgument (something isn't what it should be, with a name), NotFound (an object is missing: it was
  /// evicted, or never came), DataLoss (a layer isn't its diffID), those of the cache. Then the image isn't named.
  virtual absl::Status publish(const ImportedImage& image) = 0;
};

}  // namespace samara::cache_index
