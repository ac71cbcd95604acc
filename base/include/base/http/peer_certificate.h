#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace samara::http {

/// What a machine shows to others of its kind, all of which believe one authority and no other. PEM files.
struct PeerCertificateFiles {
  std::string authority;    ///< one certificate, which has signed all the others itself
  std::string certificate;  ///< ours; of several in the file, the first
  std::string key;          ///< its private key, without a password
  bool empty() const { return certificate.empty(); }
  bool operator==(const PeerCertificateFiles&) const = default;
};

/// The same as PEM text. The authority's is written anew from what it says, so that it is the same text on every machine,
/// whatever stands around it in the file.
struct PeerCertificate {
  std::string authority, certificate, key;
  bool operator==(const PeerCertificate&) const = default;
};

/// Refuses what others would refuse: a certificate that isn't the authority's, that may not be used by both sides of a
/// connection (extendedKeyUsage), or of whose names (DNS, subjectAltName) none is `name` or "*".
/// Errors: InvalidArgument, naming file and reason; those of read_file().
absl::StatusOr<PeerCertificate> load_peer_certificate(const PeerCertificateFiles& files, std::string_view name);

}  // namespace samara::http
