#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "base/http/client.h"
#include "peer/site_access.h"
#include "peer/swarm.h"
#include "peer/swarm_protocol.h"

namespace samara::peer {

/// The sites of a node as those who let it into swarms: each gives pieces, a tracker, and its own seed.
/// Threads: any. Blocks for as long as the sites take to answer (each at most 10 s).
class SwarmSites {
 public:
  /// `client` is borrowed. `urls`: "http://host:port" or "https://host:port".
  SwarmSites(http::Client& client, std::vector<std::string> urls, SiteAccess access = {})
      : client_(client), urls_(std::move(urls)), access_(std::move(access)) {}

  /// How to share the blob, from every site that has it (the index isn't filled in). A site that names other pieces
  /// than an earlier one is left out.
  /// Errors: NotFound (no site shares it), FailedPrecondition (one is hashing it: ask again soon), Unavailable.
  absl::StatusOr<Swarm::Blob> find(const Digest& blob, std::stop_token stop = {});

 private:
  absl::StatusOr<SwarmTicket> ask(const std::string& site, const Digest& blob, const std::stop_token& stop);

  http::Client& client_;
  const std::vector<std::string> urls_;
  const SiteAccess access_;
};

}  // namespace samara::peer
