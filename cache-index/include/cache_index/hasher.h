#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/digest.h"

namespace samara::cache_index {

/// Incremental hash over bytes (OpenSSL; SHA-NI where the CPU has it).
class Hasher {
 public:
  explicit Hasher(Digest::Algorithm algorithm = Digest::Algorithm::kSha256);
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  ~Hasher();

  void update(std::span<const std::uint8_t> data);
  /// The digest of everything so far; the hasher starts anew.
  Digest finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

Digest sha256(std::span<const std::uint8_t> data);

}  // namespace samara::cache_index
