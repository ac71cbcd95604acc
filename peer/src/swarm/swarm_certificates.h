#pragma once

#include <optional>
#include <string>

namespace samara::peer {

/// While it lives, OpenSSL's default authorities are those in a file of ours. libtorrent reads them when a session is
/// made, for https:// trackers; it has no other way to be told.
/// Threads: it sets the environment, so it belongs where a program starts.
class DefaultAuthorities {
 public:
  /// Empty: the system's stay.
  explicit DefaultAuthorities(const std::string& file);
  ~DefaultAuthorities();
  DefaultAuthorities(const DefaultAuthorities&) = delete;

 private:
  const bool replaced_;
  std::optional<std::string> file_before_, directory_before_;
};

/// Parameters that libtorrent wants for key exchanges which TLS 1.3 and ECDHE never make. Source: RFC 7919, ffdhe2048.
extern const char* const kUnusedParameters;

}  // namespace samara::peer
