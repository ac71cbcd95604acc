#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/http/server.h"
#include "registry_proxy/blobs.h"
#include "registry_proxy/conversions.h"
#include "registry_proxy/entitlements.h"
#include "registry_proxy/manifests.h"
#include "registry_proxy/source.h"
#include "registry_proxy/upstream.h"

namespace samara::registry_proxy {

class Listings;
struct Route;

/// The pull half of the OCI Distribution API, as a mirror of other registries:
///
///   GET|HEAD /v2/
///   GET|HEAD /v2/<repository>/manifests/<tag or digest>?ns=<registry>
///   GET|HEAD /v2/<repository>/blobs/<digest>?ns=<registry>          with Range
///   GET|HEAD /v2/<repository>/tags/list?ns=<registry>&n=&last=
///   GET|HEAD /v2/<repository>/referrers/<digest>?ns=<registry>&artifactType=
///   GET|HEAD /v2/_catalog?ns=<registry>&n=&last=                    of what was pulled through here
///
/// All else is refused: 405 for pushing and deleting, 400 for names outside the grammar, 404 for unknown paths.
/// Manifests are given verbatim. One by tag whose type isn't in Accept is answered with 404, since another host may have
/// what the client can read. Several ranges at once are answered with the whole blob, as RFC 9110 §14.2 allows.
/// A client that can't be helped gets 404 or 5xx at once and never 408 or 429, so that containerd goes on to its next
/// host. 401 with a Basic challenge is for repositories that not everybody may read (Entitlements): a client with a
/// credential for the registry sends it then, and containerd without one goes on. A blob whose download is under way is followed; a range far ahead of it comes straight from upstream, and
/// so does a blob for which the disk has no room. A manifest by tag has Age, the seconds since upstream said that the tag
/// names it; while upstream can't be asked, and the tag is older than its time, also Samara-Stale.
/// Source: OCI Distribution Specification v1.1; RFC 9111 §5.1 (Age).
/// Threads: any.
class Mirror {
 public:
  struct Options {
    std::string default_registry = "docker.io";  ///< when there is no ?ns=
    std::uint64_t far_ahead = 8u << 20;           ///< bytes that a reader waits for at most, in place of a range fetch
    std::chrono::milliseconds patience{250};      ///< for a download that is behind that to catch up, likewise
    bool ask_to_log_in = false;                   ///< answer /v2/ with 401 until a client sends a credential
  };
  /// Everything is borrowed.
  Mirror(Upstreams& upstreams, Entitlements& entitlements, Manifests& manifests, Blobs& blobs, Conversions& conversions,
         const Options& options);
  ~Mirror();

  /// Answers a request whose path begins with "/v2".
  Source handle(const http::Request& request, http::ResponseWriter& out);

 private:
  Source answer(const http::Request& request, const Route& route, const Repository& repository,
                http::ResponseWriter& out);
  Source answer_base(const http::Request& request, const Repository& repository, http::ResponseWriter& out);
  absl::StatusOr<Identity> admit(const http::Request& request, const Route& route, const Repository& repository);
  Source answer_manifest(const http::Request& request, const Repository& repository, const Reference& reference,
                         const Identity& as, http::ResponseWriter& out);
  void check_blobs(const Repository& repository, const Manifest& manifest, const Identity& as);
  void maybe_convert(const Repository& repository, const Manifest& manifest, const Identity& as);

  Upstreams& upstreams_;
  Entitlements& entitlements_;
  Manifests& manifests_;
  Blobs& blobs_;
  Conversions& conversions_;
  const Options options_;
  const std::unique_ptr<Listings> listings_;
};

}  // namespace samara::registry_proxy
