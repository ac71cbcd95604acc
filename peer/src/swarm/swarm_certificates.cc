#include "swarm_certificates.h"

#include <cstdlib>

#include "base/status.h"
#include "base/text.h"
#include "torrent_swarm.h"

/// How members of a swarm know each other: every torrent names an authority, and every member shows a certificate of it.
namespace samara::peer {
namespace {

constexpr const char* kFile = "SSL_CERT_FILE";
constexpr const char* kDirectory = "SSL_CERT_DIR";

std::optional<std::string> replace(const char* variable, const char* value) {
  const char* const before = std::getenv(variable);
  std::optional<std::string> kept;
  if (before != nullptr) kept = before;
  ::setenv(variable, value, 1);
  return kept;
}

void restore(const char* variable, const std::optional<std::string>& value) {
  if (value) ::setenv(variable, value->c_str(), 1);
  else ::unsetenv(variable);
}

}  // namespace

DefaultAuthorities::DefaultAuthorities(const std::string& file) : replaced_(!file.empty()) {
  if (!replaced_) return;
  file_before_ = replace(kFile, file.c_str());
  directory_before_ = replace(kDirectory, "");
}

DefaultAuthorities::~DefaultAuthorities() {
  if (!replaced_) return;
  restore(kFile, file_before_);
  restore(kDirectory, directory_before_);
}

const char* const kUnusedParameters =
    "-----BEGIN DH PARAMETERS-----\n"
    "MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz\n"
    "+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a\n"
    "87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7\n"
    "YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi\n"
    "7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD\n"
    "ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==\n"
    "-----END DH PARAMETERS-----\n";

absl::Status TorrentSwarm::load_certificates() {
  const http::PeerCertificateFiles& files = options_.certificates;
  if (files.empty()) return absl::OkStatus();
  const auto load = [this]() -> absl::StatusOr<Reloaded<Certificate>::Value> {
    SAMARA_ASSIGN_OR_RETURN(Certificate loaded, http::load_peer_certificate(options_.certificates, kMemberName));
    if (!authority_.empty() && loaded.authority != authority_)
      return absl::FailedPreconditionError("another authority of a swarm is believed after a restart only");
    return std::make_shared<const Certificate>(std::move(loaded));
  };
  auto made = Reloaded<Certificate>::create("certificates of the swarm", {files.authority, files.certificate, files.key}, load);
  if (!made.ok()) return annotate(made.status(), "swarm");
  certificates_ = *std::move(made);
  shown_ = certificates_->get();
  authority_ = shown_->authority;
  return absl::OkStatus();
}

void TorrentSwarm::show_certificate(lt::torrent_handle handle, const Certificate& certificate) {
  handle.set_ssl_certificate_buffer(certificate.certificate, certificate.key, kUnusedParameters);
}

/// Connections that are made from now on see the new certificate, if the files have changed.
void TorrentSwarm::renew_certificates() {
  if (certificates_ == nullptr) return;
  const auto now = certificates_->get();
  const std::lock_guard lock(mutex_);
  if (std::exchange(shown_, now) == now) return;
  for (auto& [blob, entry] : entries_)
    if (entry.handle.is_valid()) show_certificate(entry.handle, *now);
}

std::string TorrentSwarm::tracker_key(const Digest& blob, const BlobPieces& pieces) const {
  return peer::tracker_key(infohash(blob, pieces, authority_));
}

}  // namespace samara::peer
