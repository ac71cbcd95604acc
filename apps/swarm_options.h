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

/// `listen`: the default. Errors: InvalidArgument, naming the option that is wrong.
absl::Status read_swarm_options(Config& table, std::string_view listen, SwarmOptions& options);

}  // namespace samara
