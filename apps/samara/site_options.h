#pragma once

#include "peer/site_access.h"

namespace CLI {
class App;
}

namespace samara::cli {

/// The options by which a command shows itself to a site, and knows it: --ca, --client-cert, --client-key (or
/// --certificate and --key), --token-file. `access` is borrowed.
void add_site_access(CLI::App& command, peer::SiteAccess::Options& access);

}  // namespace samara::cli
