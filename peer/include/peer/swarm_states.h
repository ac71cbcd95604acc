#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "peer/blob_sources.h"
#include "peer/swarm.h"

namespace samara::peer {

/// What a machine takes part in, for `samara swarm`:
///
///   GET /samara/v1/swarms
///        A block of "key value" lines a blob, an empty line behind each: blob (digest), pieces, pieces_total, paused (0
///        or 1), peers, download_rate, upload_rate (bytes a second), downloaded, uploaded (bytes since joining),
///        wrong_pieces, tracker_error where the last announce failed, and from_<source> (bytes that reads of the blob's
///        chunks took from there). Of a blob that was read and isn't shared, blob and from_<source> only. Unknown keys are
///        to be ignored.
inline constexpr std::string_view kSwarmsPath = "/samara/v1/swarms";
std::string encode(const std::vector<std::pair<Digest, Swarm::State>>& states,
                   std::map<Digest, BlobSources::BySource> sources = {});

}  // namespace samara::peer
