#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/digest.h"
#include "base/file.h"
#include "convert/converter.h"

/// What `samara convert` does, without flags and printing.
namespace samara::cli {

/// A layer to convert.
struct LayerJob {
  std::string source;  ///< as people know it: an image's name, or the file
  std::string path;    ///< where its bytes are
  Digest layer;
  std::uint64_t size = 0;  ///< of those bytes
  std::optional<Digest> diff_id;
};

struct LayerResult {
  std::string directory;  ///< holds index and blob
  cache_index::LayerWriter::Written written;
  double seconds = 0;
  bool reused = false;  ///< was there already
};

/// The layers behind `source`: an OCI layout directory, with ":TAG" after it if only that image is meant, or one layer
/// as a file. A file is hashed to learn its digest. `platform` ("" takes all) chooses among a layout's images.
/// Errors: NotFound, those of OciLayout, and what the disk answers.
absl::StatusOr<std::vector<LayerJob>> find_layers(const std::string& source, std::string_view platform);

/// A directory of converted layers: `<root>/<hex of the layer's digest>/{index,blob}`. While one is written it lies in
/// `<root>/.incoming`; a lock on the directory keeps a second process out.
/// Content that layers there hold already isn't compressed again.
/// Threads: one.
class OutputDirectory {
 public:
  /// Makes the directory. Errors: Unavailable (another process writes here), and what the disk answers.
  static absl::StatusOr<OutputDirectory> create(std::string root);

  /// Converts the layer, or finds it converted. Nothing is left behind after an error.
  /// Errors: DataLoss (its bytes aren't what `job` says, or damaged), Unimplemented (can't be had lazily), disk errors.
  absl::StatusOr<LayerResult> convert(const LayerJob& job, ThreadPool& pool, convert::Progress& progress);

 private:
  OutputDirectory(std::string root, Fd lock) : root_(std::move(root)), lock_(std::move(lock)) {}
  /// Lets later conversions copy frames of the layer in `directory`.
  void know(const std::string& directory);
  std::optional<LayerResult> find(const LayerJob& job) const;
  absl::StatusOr<LayerResult> convert_anew(const LayerJob& job, ThreadPool& pool, convert::Progress& progress);

  std::string root_;
  Fd lock_;
  cache_index::KnownFrames known_;
};

/// The digest of a file's bytes.
absl::StatusOr<Digest> hash_file(const std::string& path);

}  // namespace samara::cli
