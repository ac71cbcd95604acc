#include "swarm_options.h"

namespace samara {

namespace {

absl::Status read_certificates(Config& table, const http::PeerCertificateFiles& shown, http::PeerCertificateFiles& files) {
  const http::PeerCertificateFiles said{table.text("ca"), table.text("certificate"), table.text("key")};
  const bool is_said = said != http::PeerCertificateFiles();
  const http::PeerCertificateFiles& meant = is_said ? said : shown;
  const bool all = !meant.authority.empty() && !meant.certificate.empty() && !meant.key.empty();
  if (!table.flag("certificates", all || is_said)) return absl::OkStatus();
  if (!all) return absl::InvalidArgumentError("swarm.certificates needs ca, certificate and key");
  files = meant;
  return absl::OkStatus();
}

}  // namespace

absl::Status read_swarm_options(Config& table, std::string_view listen, const http::PeerCertificateFiles& shown,
                                SwarmOptions& options) {
  options.enabled = table.flag("enabled", options.enabled);
  options.swarm.listen = table.text("listen", listen);
  options.swarm.upload_limit = table.size("upload_limit", options.swarm.upload_limit);
  options.swarm.download_limit = table.size("download_limit", options.swarm.download_limit);
  const std::int64_t slots = table.number("upload_slots", static_cast<std::int64_t>(options.swarm.upload_slots));
  if (slots < 0 || slots > 10'000) return absl::InvalidArgumentError("swarm.upload_slots must be from 0 to 10000");
  options.swarm.upload_slots = static_cast<std::size_t>(slots);
  return read_certificates(table, shown, options.swarm.certificates);
}

}  // namespace samara
