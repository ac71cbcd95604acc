#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace samara::cache_index {

inline constexpr std::size_t kPublicKeyBytes = 32, kSignatureBytes = 64;

/// What a machine signs with, so that others who know its public key see that it said something.
///
/// Source: Ed25519, RFC 8032.
/// Threads: any; immutable.
class SigningKey {
 public:
  /// The key in the file (32 bytes, as hex); makes one, for its owner's eyes only, when there is no file.
  /// Errors: InvalidArgument (holds something else), those of read_file() and write_file_atomic().
  static absl::StatusOr<SigningKey> load_or_create(const std::string& path);
  SigningKey(SigningKey&&) noexcept;
  ~SigningKey();

  std::string public_key() const;                  ///< kPublicKeyBytes
  std::string sign(std::string_view message) const;  ///< kSignatureBytes

 private:
  struct Key;
  explicit SigningKey(std::unique_ptr<Key> key);
  std::unique_ptr<Key> key_;
};

/// False for a wrong signature, and for what is no key or no signature.
bool is_signed(std::string_view public_key, std::string_view message, std::string_view signature);

}  // namespace samara::cache_index
