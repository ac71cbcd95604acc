#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "peer/swarm.h"

namespace samara {

/// Takes part in the swarm until `wait` returns: says that it has all of the blob, and gives zeros.
absl::Status with_liar(const std::string& directory, const std::string& listen, const peer::Swarm::Blob& blob,
                       const std::function<void()>& wait);

}  // namespace samara
