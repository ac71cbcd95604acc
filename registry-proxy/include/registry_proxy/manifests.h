#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "cache_index/cache.h"
#include "registry_proxy/manifest.h"
#include "registry_proxy/names.h"
#include "registry_proxy/references.h"
#include "registry_proxy/source.h"
#include "registry_proxy/upstream.h"

namespace samara::registry_proxy {

class ManifestMemory;
class Outages;

/// The table of the lists of referrers that were given last (docs/rows.md).
inline constexpr std::string_view kReferrersTable = "referrers";

/// A manifest as a client gets it.
struct StoredManifest {
  std::string bytes;       ///< verbatim
  std::string media_type;  ///< Content-Type
  Digest digest;
  Manifest parsed;
  bool stale = false;       ///< upstream couldn't be asked whether the tag still names this
  std::optional<std::chrono::seconds> age;  ///< of a tag: since upstream said that it names this
  /// kUpstream: fetched for this; else nothing but, at most, a question for the tag's digest went upstream.
  Source source = Source::kUpstream;

  bool from_cache() const { return source != Source::kUpstream; }
};

/// Manifests by tag and digest, kept as objects and rows (docs/rows.md).
///
/// A digest is answered from the cache for ever; a tag for the upstream's `tag_ttl`, then upstream is asked for its digest
/// (HEAD). When upstream can't answer, what the tag named last is given as stale, for `stale_for`; then upstream isn't
/// asked about any tag for a moment, and when it is back, only about a few at a time. What isn't a manifest is never kept.
/// Threads: any; one fetch for all who ask for the same at the same time.
class Manifests {
 public:
  struct Options {
    std::chrono::milliseconds pause_after_outage{5'000};  ///< the first time; twice as long after each further failure
    std::size_t memory = 32u << 20;  ///< bytes of manifests that are kept at hand
  };
  /// Tables of the cache's store; pass them to Cache::open().
  static std::vector<std::string> tables();

  /// Everything is borrowed; the cache was opened with tables().
  Manifests(cache_index::Cache& cache, Upstreams& upstreams, References& references, const Clock& clock,
            Metrics& metrics, const Options& options);
  ~Manifests();

  /// For somebody who may read the repository; upstream is asked in the name of `as`. What another repository has
  /// brought is fetched anew.
  /// Errors: those of Upstream::fetch(); DataLoss (digest differs); InvalidArgument (not a manifest, or larger than
  /// kMaxManifestBytes).
  absl::StatusOr<StoredManifest> get(const Repository& repository, const Reference& reference, const Identity& as = {});

  struct Refreshed {
    std::optional<Digest> was;  ///< what the tag named here before
    Digest now;
  };
  /// Asks upstream what a tag names, however fresh the last answer is. Errors: those of get(); nothing stale is given.
  absl::StatusOr<Refreshed> refresh(const Repository& repository, const std::string& tag, const Identity& as = {});

  /// A manifest that came with an import and is an object of the cache, as kept manifests are. Errors: NotFound (it isn't
  /// here), InvalidArgument (not a manifest), DataLoss, those of the cache.
  absl::StatusOr<StoredManifest> read_imported(const Digest& digest, const std::string& media_type);
  /// ... named from now on, by its digest or a tag, as if upstream had said so now.
  absl::Status name_imported(const Repository& repository, const Reference& reference, const StoredManifest& manifest) {
    return keep(repository, reference, manifest);
  }

  /// The tags of a repository, and the repositories of a registry, that were pulled through here; in byte order, at
  /// most 100,000. Errors: those of Store::scan().
  absl::StatusOr<std::vector<std::string>> tags(const Repository& repository) const;
  absl::StatusOr<std::vector<std::string>> repositories(std::string_view registry) const;

 private:
  struct Tag {
    Digest digest;
    std::chrono::system_clock::time_point checked;
  };
  class Flights;

  absl::StatusOr<StoredManifest> by_digest(const Repository& repository, const Digest& digest, const Identity& as);
  absl::StatusOr<StoredManifest> by_tag(const Repository& repository, const std::string& tag, const Identity& as);
  enum class Patience { kNormal, kLittle, kAskNow };
  absl::StatusOr<StoredManifest> refresh_tag(const Repository& repository, const std::string& tag, const Identity& as,
                                             Patience patience);
  absl::StatusOr<StoredManifest> check_tag(const Repository& repository, const std::string& tag, const Digest& known,
                                           const Identity& as, Patience patience);
  absl::StatusOr<StoredManifest> fetch(const Repository& repository, const Reference& reference, const Identity& as);
  absl::StatusOr<std::optional<Digest>> ask_digest(const Repository& repository, const std::string& tag,
                                                   const Identity& as, Patience patience);
  absl::Status keep(const Repository& repository, const Reference& reference, const StoredManifest& manifest);
  absl::StatusOr<StoredManifest> load(const Digest& digest);
  absl::StatusOr<StoredManifest> load_from_disk(const Digest& digest);
  std::optional<Tag> load_tag(const Repository& repository, const std::string& tag);
  absl::Status store_tag(const Repository& repository, const std::string& tag, const Digest& digest);
  void forget_tag(const Repository& repository, const std::string& tag);
  std::chrono::seconds age_of(const Tag& tag) const;
  bool younger(const Tag& tag, std::chrono::milliseconds limit) const;
  absl::StatusOr<std::vector<std::string>> keys_after(std::string_view table, const std::string& prefix) const;

  cache_index::Cache& cache_;
  Upstreams& upstreams_;
  References& references_;
  const Clock& clock_;
  const std::unique_ptr<ManifestMemory> memory_;
  std::unique_ptr<Flights> flights_;
  std::unique_ptr<Outages> outages_;
};

}  // namespace samara::registry_proxy
