#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/digest.h"

namespace samara::seed {

/// Leave to take part in the swarm of one blob, for one node, for some time: a token that only this site can make.
///
/// Shape: "<seconds since the epoch, decimal, when it runs out>.<HMAC-SHA-256, hex>" over what it is bound to. The
///        secret is made at start, so a site that restarts refuses older tokens, and nodes ask for new ones.
/// Source: RFC 2104.
/// Threads: any.
class Grants {
 public:
  /// `secret`: at least 32 random bytes. `clock` is borrowed.
  Grants(std::string secret, const Clock& clock, std::chrono::seconds lifetime = std::chrono::hours(24));
  /// 32 bytes from the kernel.
  static std::string random_secret();

  /// `swarm`: the tracker's key of the blob. `node`: its address, without the port.
  std::string issue(std::string_view swarm, std::string_view node) const;
  /// PermissionDenied unless issued here, for these two, and not run out.
  absl::Status check(std::string_view token, std::string_view swarm, std::string_view node) const;

 private:
  std::string sign(std::int64_t until, std::string_view swarm, std::string_view node) const;

  const std::string secret_;
  const Clock& clock_;
  const std::chrono::seconds lifetime_;
};

/// HMAC-SHA-256.
Digest hmac(std::string_view key, std::string_view message);

}  // namespace samara::seed
