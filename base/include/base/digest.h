#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace samara {

/// The name of immutable bytes: an algorithm and the hash of the bytes.
///
/// Shape:  "sha256:" + 64 or "sha512:" + 128 lower-case hex digits. Hashing itself is cache_index/hasher.h.
/// Source: OCI Image Specification v1.1, descriptor.md, "Digests".
class Digest {
 public:
  enum class Algorithm : std::uint8_t { kSha256 = 0, kSha512 = 1 };

  Digest() = default;  ///< sha256 of all zero bits: names nothing

  /// Errors: InvalidArgument unless `text` has exactly the shape above.
  static absl::StatusOr<Digest> parse(std::string_view text);
  /// `hash` has 32 (sha256) or 64 (sha512) bytes; InvalidArgument otherwise.
  static absl::StatusOr<Digest> from_bytes(Algorithm algorithm, std::span<const std::uint8_t> hash);
  static Digest sha256(const std::array<std::uint8_t, 32>& hash);

  Algorithm algorithm() const { return algorithm_; }
  std::span<const std::uint8_t> bytes() const { return {hash_.data(), size()}; }
  std::string_view algorithm_name() const { return algorithm_ == Algorithm::kSha256 ? "sha256" : "sha512"; }
  std::string hex() const;
  std::string to_string() const;
  /// Twelve hex digits, for logs.
  std::string brief() const { return hex().substr(0, 12); }
  /// Database key: one byte of algorithm, then the hash.
  std::string key() const;
  static absl::StatusOr<Digest> from_key(std::string_view key);
  bool is_null() const { return *this == Digest(); }

  auto operator<=>(const Digest&) const = default;

 private:
  std::size_t size() const { return algorithm_ == Algorithm::kSha256 ? 32 : 64; }

  Algorithm algorithm_ = Algorithm::kSha256;
  std::array<std::uint8_t, 64> hash_{};
};

}  // namespace samara

template <>
struct std::hash<samara::Digest> {
  std::size_t operator()(const samara::Digest& digest) const noexcept;
};
