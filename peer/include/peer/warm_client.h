#pragma once

#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "base/http/client.h"
#include "peer/site_access.h"
#include "peer/site_beat.h"
#include "peer/warm_protocol.h"

namespace samara::peer {

/// A node's way to one samara-site, and a site's to one of its parent: heartbeats, and what is to be warmed.
/// Threads: any.
class WarmClient {
 public:
  /// `client` is borrowed. `url`: "http://host:port" or "https://host:port".
  WarmClient(http::Client& client, std::string url, SiteAccess access);

  /// Errors: Unavailable (no answer, or none that helps), DeadlineExceeded (silence: the link is cut, perhaps),
  /// AlreadyExists (another machine uses the node's name), InvalidArgument (not understood), PermissionDenied (the node
  /// may not), Unimplemented (a site without a seed).
  absl::StatusOr<HeartbeatAnswer> beat(const Heartbeat& heartbeat, const std::stop_token& stop = {});
  /// The same, of a site to the one above it.
  absl::StatusOr<SiteBeatAnswer> beat(const SiteBeat& beat, const std::stop_token& stop = {});
  /// What an order is about. DataLoss when it isn't that manifest; NotFound when the order is gone.
  absl::StatusOr<WarmImage> image(const std::string& node, const Digest& manifest, const std::stop_token& stop = {});
  /// What "manifests/<tag or digest>" or "blobs/<digest>" names at the site, by HEAD, asked for a second: the digest.
  /// NotFound: it has no such thing. PermissionDenied: not for everybody who reaches this node. Unavailable: it can't say;
  /// DeadlineExceeded: nothing comes back.
  absl::StatusOr<Digest> named(const std::string& registry, const std::string& repository, const std::string& route);

  const std::string& url() const { return url_; }

 private:
  absl::StatusOr<http::Response> ask(const std::string& method, const std::string& path, std::uint64_t limit,
                                     std::chrono::milliseconds patience, const std::stop_token& stop);

  http::Client& client_;
  const std::string url_;
  const SiteAccess access_;
};

}  // namespace samara::peer
