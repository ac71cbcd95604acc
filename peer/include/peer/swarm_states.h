#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "peer/swarm.h"

namespace samara::peer {

/// What a machine takes part in, for `samara swarm`:
///
///   GET /samara/v1/swarms
///        A block of "key value" lines a blob, an empty line behind each: blob (digest), pieces, pieces_total, paused (0
///        or 1), peers, download_rate, upload_rate (bytes a second), downloaded, uploaded (bytes since joining),
///        wrong_pieces, and tracker_error where the last announce failed. Unknown keys are to be ignored.
inline constexpr std::string_view kSwarmsPath = "/samara/v1/swarms";
std::string encode(const std::vector<std::pair<Digest, Swarm::State>>& states);

}  // namespace samara::peer
