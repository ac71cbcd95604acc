#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "base/digest.h"
#include "cache_index/hasher.h"

namespace samara::registry_proxy {

/// Passes a whole blob on as it comes, the last Fill::kWithheld bytes only once its digest is right: of what isn't kept
/// nobody gets a complete wrong blob either.
/// Threads: one.
class CheckedPassage {
 public:
  using Give = std::function<absl::Status(std::span<const std::uint8_t>)>;
  CheckedPassage(const Digest& digest, std::uint64_t size, Give give);

  /// The first `length` bytes, which `give` has had already, lie in this file.
  absl::Status skip(int fd, std::uint64_t length);
  /// Errors: DataLoss, with the last bytes, when the digest is another one; those of `give`.
  absl::Status take(std::span<const std::uint8_t> data);

 private:
  absl::Status conclude();

  const Digest digest_;
  const std::uint64_t size_, passed_at_once_;  // the first bytes of `size_`
  const Give give_;
  cache_index::Hasher hasher_;
  std::uint64_t taken_ = 0;
  std::string held_;
};

}  // namespace samara::registry_proxy
