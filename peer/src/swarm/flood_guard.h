#pragma once

#include <libtorrent/extensions.hpp>
#include <memory>

#include "base/metrics.h"

namespace samara::peer {

/// Parts with peers that ask for much more than they take. libtorrent answers each request at once, if only with a
/// refusal, and keeps what the peer doesn't read in memory: that is bounded here.
///
/// For torrents: params.extensions. `dropped` counts the connections; borrowed, and outlives the session.
/// Threads: called on libtorrent's.
std::shared_ptr<lt::torrent_plugin> make_flood_guard(Metrics::Counter& dropped);

}  // namespace samara::peer
