#pragma once

#include "absl/status/status.h"
#include "base/config.h"
#include "peer/swarm.h"

namespace samara {

/// The [swarm] table of both daemons.
struct SwarmOptions {
  bool enabled = false;
  peer::Swarm::Options swarm;
};

/// `listen`: the default, as `shown`: what the daemon shows others already, all of it or nothing.
/// Errors: InvalidArgument, naming the option that is wrong.
absl::Status read_swarm_options(Config& table, std::string_view listen, const http::PeerCertificateFiles& shown,
                                SwarmOptions& options);

}  // namespace samara
