#include "cache_index/signature.h"

#include <openssl/evp.h>

#include "absl/strings/escaping.h"
#include "absl/strings/strip.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text.h"

namespace samara::cache_index {
namespace {

using KeyPtr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using ContextPtr = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

constexpr std::size_t kPrivateKeyBytes = 32;

const unsigned char* raw(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
unsigned char* raw(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

absl::StatusOr<std::string> make_private_key() {
  const KeyPtr made(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), EVP_PKEY_free);
  std::string bytes(kPrivateKeyBytes, '\0');
  std::size_t size = bytes.size();
  if (made == nullptr || EVP_PKEY_get_raw_private_key(made.get(), raw(bytes), &size) != 1 || size != bytes.size()) {
    return absl::InternalError("OpenSSL makes no Ed25519 key");
  }
  return bytes;
}

absl::StatusOr<std::string> private_key_in(const std::string& path) {
  const absl::StatusOr<std::string> text = read_file(path, 1024);
  if (absl::IsNotFound(text.status())) {
    SAMARA_ASSIGN_OR_RETURN(std::string made, make_private_key());
    SAMARA_RETURN_IF_ERROR(write_file_atomic(path, str_cat(absl::BytesToHexString(to_absl(made)), "\n"), 0600));
    return made;
  }
  SAMARA_RETURN_IF_ERROR(text.status());
  const absl::string_view hex = absl::StripAsciiWhitespace(*text);
  const bool is_hex = hex.find_first_not_of("0123456789abcdefABCDEF") == absl::string_view::npos;
  if (hex.size() == 2 * kPrivateKeyBytes && is_hex) return absl::HexStringToBytes(hex);
  return absl::InvalidArgumentError(str_cat(path, " holds no key: remove it, and a new one is made"));
}

}  // namespace

struct SigningKey::Key {
  KeyPtr key;
};

SigningKey::SigningKey(std::unique_ptr<Key> key) : key_(std::move(key)) {}
SigningKey::SigningKey(SigningKey&&) noexcept = default;
SigningKey::~SigningKey() = default;

absl::StatusOr<SigningKey> SigningKey::load_or_create(const std::string& path) {
  SAMARA_ASSIGN_OR_RETURN(const std::string bytes, private_key_in(path));
  KeyPtr key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, raw(bytes), bytes.size()), EVP_PKEY_free);
  if (key == nullptr) return absl::InternalError(str_cat("OpenSSL refuses the key in ", path));
  return SigningKey(std::make_unique<Key>(Key{std::move(key)}));
}

std::string SigningKey::public_key() const {
  std::string bytes(kPublicKeyBytes, '\0');
  std::size_t size = bytes.size();
  EVP_PKEY_get_raw_public_key(key_->key.get(), raw(bytes), &size);
  return bytes;
}

std::string SigningKey::sign(std::string_view message) const {
  std::string signature(kSignatureBytes, '\0');
  std::size_t size = signature.size();
  const ContextPtr context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  // Neither fails for a key that was read, but for want of memory: then nobody believes the zeros.
  if (EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_->key.get()) == 1) {
    EVP_DigestSign(context.get(), raw(signature), &size, raw(message), message.size());
  }
  return signature;
}

bool is_signed(std::string_view public_key, std::string_view message, std::string_view signature) {
  if (public_key.size() != kPublicKeyBytes || signature.size() != kSignatureBytes) return false;
  const KeyPtr key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, raw(public_key), public_key.size()),
                   EVP_PKEY_free);
  const ContextPtr context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  return key != nullptr && context != nullptr &&
         EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), raw(signature), signature.size(), raw(message), message.size()) == 1;
}

}  // namespace samara::cache_index
