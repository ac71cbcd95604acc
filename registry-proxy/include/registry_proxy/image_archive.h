#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/digest.h"
#include "cache_index/cache.h"
#include "cache_index/image_import.h"

/// Converted images as files, for sites without a network: an OCI image layout with more in it. docs/archive.md is the
/// format.
namespace samara::registry_proxy {

inline constexpr std::string_view kArchiveFile = "samara.json";
inline constexpr std::uint64_t kMaxArchiveFileBytes = 16u << 20;

/// What samara.json says of one image.
struct ArchivedImage {
  struct Referrers {
    Digest subject, list;
  };
  std::string name;
  std::vector<cache_index::ImportedImage::NamedManifest> manifests;  ///< as there; never empty
  std::vector<cache_index::LayerRecord> layers;
  std::vector<Referrers> referrers;  ///< `list` and the traces are files like the objects, but for the reader alone
  std::vector<Digest> traces;
  std::vector<Digest> objects;  ///< all that a site is to hold
};

/// Deterministic.
std::string encode_archive(const std::vector<ArchivedImage>& images);
/// Of untrusted text. InvalidArgument, naming what is wrong; FailedPrecondition for a version above ours.
absl::StatusOr<std::vector<ArchivedImage>> parse_archive(std::string_view text);

/// index.json of the layout. `sizes`: of the manifests.
std::string encode_layout_index(const std::vector<ArchivedImage>& images, const std::map<Digest, std::uint64_t>& sizes);

/// "blobs/sha256/<hex>"
std::string archive_path(const Digest& digest);

/// The regular files of an archive, by name; the archive is a directory or a tar. Nothing is believed: a tar with anything
/// but plain files and directories, or with names, sizes or sums that can't be, is refused.
/// Threads: any.
class ArchiveFiles {
 public:
  /// Errors: InvalidArgument (not an archive, saying why), those of the disk.
  static absl::StatusOr<std::unique_ptr<ArchiveFiles>> open(const std::string& path);
  virtual ~ArchiveFiles() = default;

  /// NotFound.
  virtual absl::StatusOr<std::uint64_t> size(const std::string& name) const = 0;
  virtual absl::Status read_at(const std::string& name, std::uint64_t offset, std::span<std::uint8_t> out) const = 0;
  /// The whole of a small one; InvalidArgument when it is larger than `limit`.
  absl::StatusOr<std::string> read(const std::string& name, std::uint64_t limit) const;
  /// ... whose digest is compared too. DataLoss.
  absl::StatusOr<std::string> read_object(const Digest& digest, std::uint64_t limit) const;
};

/// A file's place in a tar.
struct TarPlace {
  std::uint64_t offset = 0, size = 0;
};
/// Finds the files of a tar (POSIX ustar) of `size` bytes. InvalidArgument, as above, and the errors of `read_at`.
absl::StatusOr<std::map<std::string, TarPlace>> find_tar_files(
    std::uint64_t size, const std::function<absl::Status(std::uint64_t offset, std::span<std::uint8_t> out)>& read_at);

/// Writes an archive: the same files in the same order give the same bytes.
/// Threads: one.
class ArchiveWriter {
 public:
  using OnBytes = std::function<absl::Status(std::span<const std::uint8_t>)>;
  /// Gives a file's bytes, in order.
  using Source = std::function<absl::Status(const OnBytes& on_bytes)>;

  /// `path` is a directory, there already or with '/' at its end; or a file, which appears under its name with finish().
  static absl::StatusOr<std::unique_ptr<ArchiveWriter>> create(const std::string& path);
  virtual ~ArchiveWriter() = default;  ///< without finish(): a file's bytes go; a directory's stay for the next try

  /// Adds a file of which the source gives exactly `size` bytes, of this digest if there is one. A directory that has it
  /// already isn't given it again. DataLoss: other bytes.
  virtual absl::Status add(const std::string& name, std::uint64_t size, const Digest* digest, const Source& source) = 0;
  virtual absl::Status finish() = 0;
};

}  // namespace samara::registry_proxy
