#include "peer/swarm_states.h"

#include "base/text.h"
#include "protocol_lines.h"

namespace samara::peer {

namespace {

void append(std::string& text, const BlobSources::BySource& sources) {
  for (const auto& [source, bytes] : sources) str_append(&text, "from_", source, " ", bytes, "\n");
}

}  // namespace

std::string encode(const std::vector<std::pair<Digest, Swarm::State>>& states,
                   std::map<Digest, BlobSources::BySource> sources) {
  std::string text;
  for (const auto& [blob, state] : states) {
    str_append(&text, "blob ", blob.to_string(), "\npieces ", state.pieces, "\npieces_total ", state.pieces_total,
               "\npaused ", state.paused ? 1 : 0, "\npeers ", state.peers, "\ndownload_rate ", state.download_rate,
               "\nupload_rate ", state.upload_rate, "\ndownloaded ", state.downloaded, "\nuploaded ", state.uploaded,
               "\nwrong_pieces ", state.wrong_pieces, "\n");
    if (!state.tracker_error.empty()) str_append(&text, "tracker_error ", one_line(state.tracker_error), "\n");
    if (const auto read = sources.extract(blob); !read.empty()) append(text, read.mapped());
    text += "\n";
  }
  for (const auto& [blob, by_source] : sources) {
    str_append(&text, "blob ", blob.to_string(), "\n");
    append(text, by_source);
    text += "\n";
  }
  return text;
}

}  // namespace samara::peer
