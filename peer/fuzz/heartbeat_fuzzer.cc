#include <cstdint>
#include <cstdlib>

#include "base/file.h"
#include "peer/site_beat.h"
#include "peer/warm_protocol.h"

/// Any bytes are an error, or a heartbeat of a node or a site, an answer to one or an image that can be said again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace samara;
  const std::string_view text = as_text({data, size});
  if (const auto target = http::parse_target(text)) {
    const absl::StatusOr<peer::Heartbeat> beat = peer::heartbeat_from(*target);
    if (beat.ok()) {
      const auto again = http::parse_target("/x" + peer::to_query(*beat));
      if (!again || !peer::heartbeat_from(*again).ok()) std::abort();
    }
  }
  if (const auto target = http::parse_target(text)) {
    const absl::StatusOr<peer::SiteBeat> beat = peer::site_beat_from(*target);
    if (beat.ok()) {
      const auto again = http::parse_target("/x" + peer::to_query(*beat));
      const auto read = again ? peer::site_beat_from(*again) : absl::InternalError("no target");
      if (!read.ok() || read->nodes.size() != beat->nodes.size() || read->same != beat->same) std::abort();
    }
  }
  if (const auto told = peer::decode_site_beat_answer(text); told.ok()) {
    const auto again = peer::decode_site_beat_answer(peer::encode(*told));
    if (!again.ok() || again->orders.size() != told->orders.size()) std::abort();
  }
  const absl::StatusOr<peer::HeartbeatAnswer> answer = peer::decode_heartbeat_answer(text);
  if (answer.ok()) {
    const absl::StatusOr<peer::HeartbeatAnswer> again = peer::decode_heartbeat_answer(peer::encode(*answer));
    if (!again.ok() || again->orders != answer->orders || again->beat != answer->beat) std::abort();
  }
  const absl::StatusOr<peer::WarmImage> image = peer::decode_warm_image(text);
  if (image.ok()) {
    const absl::StatusOr<peer::WarmImage> again = peer::decode_warm_image(peer::encode(*image));
    if (!again.ok() || again->layers.size() != image->layers.size() || again->config != image->config) std::abort();
  }
  return 0;
}
