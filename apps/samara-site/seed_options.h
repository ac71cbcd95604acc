#pragma once

#include <string>

#include "absl/status/status.h"
#include "base/config.h"
#include "listener.h"
#include "seed/jobs.h"

namespace samara {

/// What a site does for its nodes beyond giving bytes: their list, and warm jobs.
struct SeedOptions {
  std::string site;    ///< this site's name
  bool enabled = true;
  std::string socket = "/run/samara/seed.sock";  ///< where `samara warm` asks; empty: nowhere
  bool socket_is_needed = false;                 ///< it was configured: a site that can't have it doesn't start
  std::optional<ListenerOptions> listener;       ///< the same over TCP
  seed::Rates rates;
  bool tell_parent = true;  ///< of the nodes here, and do what it orders for them; where there is a parent
};

/// `name` at the top of the file, and the table [seed]. Errors: InvalidArgument, naming the option.
absl::Status read_seed_options(Config& config, SeedOptions& options);

}  // namespace samara
