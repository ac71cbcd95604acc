#include "swarm_options.h"

namespace samara {

absl::Status read_swarm_options(Config& table, std::string_view listen, SwarmOptions& options) {
  options.enabled = table.flag("enabled", options.enabled);
  options.swarm.listen = table.text("listen", listen);
  options.swarm.upload_limit = table.size("upload_limit", options.swarm.upload_limit);
  options.swarm.download_limit = table.size("download_limit", options.swarm.download_limit);
  const std::int64_t slots = table.number("upload_slots", static_cast<std::int64_t>(options.swarm.upload_slots));
  if (slots < 0 || slots > 10'000) return absl::InvalidArgumentError("swarm.upload_slots must be from 0 to 10000");
  options.swarm.upload_slots = static_cast<std::size_t>(slots);
  return absl::OkStatus();
}

}  // namespace samara
