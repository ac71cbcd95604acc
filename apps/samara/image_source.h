#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/http/client.h"
#include "peer/site_access.h"
#include "peer/site_client.h"
#include "registry_proxy/image_archive.h"
#include "registry_proxy/manifest.h"
#include "registry_proxy/names.h"

namespace samara::cli {

/// Images as an archive has them, out of a running site, which fetches and converts what it hasn't got. Everything is
/// compared with its digest; what the site may not give us isn't there.
/// Threads: one.
class ImageSource {
 public:
  struct Options {
    std::vector<std::string> platforms;  ///< of an index; empty: this machine's
    bool all_platforms = false;
    bool originals = false;  ///< the layers as the registry has them, too
  };
  using Notice = std::function<void(const std::string& text)>;

  /// `notice` is told what is waited for, and what is left out. Errors: those of peer::SiteAccess::create().
  static absl::StatusOr<std::unique_ptr<ImageSource>> create(const std::string& url, const peer::SiteAccess::Options& access,
                                                             Options options, Notice notice);

  /// Looks at one more image; its layers are converted when this returns.
  /// Errors: InvalidArgument (no name, no image), NotFound, FailedPrecondition (a layer that can't be converted), those of
  /// the site.
  absl::Status add(const std::string& name);

  const std::vector<registry_proxy::ArchivedImage>& images() const { return images_; }
  /// All files below blobs/ of the images so far, each once, with their sizes.
  const std::map<Digest, std::uint64_t>& sizes() const { return sizes_; }
  /// Gives the bytes of one of them.
  absl::Status give(const Digest& digest, const registry_proxy::ArchiveWriter::OnBytes& on_bytes);

 private:
  struct Fetched {
    std::string bytes, media_type;
    Digest digest;
  };
  ImageSource(std::string url, peer::SiteAccess access, Options options, Notice notice);

  absl::StatusOr<http::Response> ask(const std::string& path, std::uint64_t limit);
  absl::StatusOr<Fetched> manifest(const registry_proxy::Repository& repository, const registry_proxy::Reference& reference);
  absl::Status add_platform(const registry_proxy::Repository& repository, const Fetched& fetched, registry_proxy::ArchivedImage& image);
  absl::StatusOr<std::vector<registry_proxy::Descriptor>> chosen(const std::string& index) const;
  absl::Status check_platform(const std::string& config) const;
  absl::StatusOr<cache_index::LayerRecord> convert(const registry_proxy::Repository& repository, const registry_proxy::Descriptor& layer);
  absl::Status add_signatures(const registry_proxy::Repository& repository, const Digest& subject, registry_proxy::ArchivedImage& image);
  absl::Status add_artifact(const registry_proxy::Repository& repository, const Fetched& fetched, const std::string& tag,
                            registry_proxy::ArchivedImage& image);
  absl::Status add_blob(const registry_proxy::Repository& repository, const registry_proxy::Descriptor& blob, registry_proxy::ArchivedImage& image);
  Digest add_bytes(std::string bytes);
  void add_object(registry_proxy::ArchivedImage& image, const Digest& digest, std::uint64_t size);

  const std::string url_;
  const peer::SiteAccess access_;
  const Options options_;
  const Notice notice_;
  http::Client client_;
  peer::SiteClient site_;
  std::vector<registry_proxy::ArchivedImage> images_;
  std::map<Digest, std::uint64_t> sizes_;
  std::map<Digest, std::string> small_;          // files that are in memory
  std::map<Digest, std::string> registry_blobs_;  // path at the site of those that aren't parts of converted layers
};

}  // namespace samara::cli
