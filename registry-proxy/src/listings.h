#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/http/server.h"
#include "cache_index/cache.h"
#include "registry_proxy/manifests.h"
#include "registry_proxy/source.h"
#include "registry_proxy/upstream.h"

namespace samara::registry_proxy {

/// Lists: a repository's tags, what refers to a manifest, the repositories that are kept here.
///
/// Tags and referrers are asked upstream, with the client's own query, and its Link leads back through here. While
/// upstream is away, what is remembered is given with the header Samara-Stale: the tags that were pulled through here,
/// and the last answer for the referrers of that manifest.
/// Source: OCI Distribution Specification v1.1, "Content Discovery".
/// Threads: any.
class Listings {
 public:
  /// Everything is borrowed; the cache was opened with Manifests::tables().
  Listings(cache_index::Cache& cache, Upstreams& upstreams, Manifests& manifests)
      : cache_(cache), upstreams_(upstreams), manifests_(manifests) {}

  Source answer_tags(const http::Request& request, const Repository& repository, const Identity& as,
                     http::ResponseWriter& out);
  /// Never 404: of an upstream without this endpoint, the index under the referrers tag is given, or an empty one.
  Source answer_referrers(const http::Request& request, const Repository& repository, const Digest& subject,
                          const Identity& as, http::ResponseWriter& out);
  /// The repositories of one registry of which something was pulled through here, and that may be `shown`.
  Source answer_catalog(const http::Request& request, std::string_view registry,
                        const std::function<bool(const Repository&)>& shown, http::ResponseWriter& out);

 private:
  struct Answer {
    std::string body;
    std::string link;     ///< upstream's
    std::string filters;  ///< OCI-Filters-Applied
  };
  absl::StatusOr<Answer> ask(const Repository& repository, Upstream::Request request, std::string query);
  absl::StatusOr<Answer> ask_referrers(const http::Request& request, const Repository& repository, const Digest& subject,
                                       const Identity& as);
  absl::StatusOr<std::string> referrers_by_tag(const Repository& repository, const Digest& subject, const Identity& as);
  Source answer_remembered_tags(const http::Request& request, const Repository& repository, const absl::Status& failure,
                                http::ResponseWriter& out);

  cache_index::Cache& cache_;
  Upstreams& upstreams_;
  Manifests& manifests_;
};

}  // namespace samara::registry_proxy
