#pragma once

#include <libtorrent/session_params.hpp>

#include "peer/swarm.h"

namespace samara::peer {

/// libtorrent tuned for a site: many nodes that start at once on a fast network, no strangers, no DHT, no uTP.
lt::session_params session_params(const Swarm::Options& options);

}  // namespace samara::peer
