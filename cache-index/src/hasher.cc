#include "cache_index/hasher.h"

#include <openssl/evp.h>

#include <array>
#include <new>

namespace samara::cache_index {
namespace {

const EVP_MD* method(Digest::Algorithm algorithm) {
  return algorithm == Digest::Algorithm::kSha256 ? EVP_sha256() : EVP_sha512();
}

}  // namespace

struct Hasher::Context {
  explicit Context(Digest::Algorithm algorithm) : algorithm(algorithm), evp(EVP_MD_CTX_new()) {
    if (evp == nullptr) throw std::bad_alloc();
    start();
  }
  ~Context() { EVP_MD_CTX_free(evp); }
  Context(const Context&) = delete;

  // The EVP calls fail only when memory ends or the algorithm is switched off in OpenSSL's configuration.
  void start() {
    if (EVP_DigestInit_ex(evp, method(algorithm), nullptr) != 1) throw std::bad_alloc();
  }

  Digest::Algorithm algorithm;
  EVP_MD_CTX* evp;
};

Hasher::Hasher(Digest::Algorithm algorithm) : context_(std::make_unique<Context>(algorithm)) {}
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;
Hasher::~Hasher() = default;

void Hasher::update(std::span<const std::uint8_t> data) {
  EVP_DigestUpdate(context_->evp, data.data(), data.size());
}

Digest Hasher::finish() {
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> hash;
  unsigned size = 0;
  EVP_DigestFinal_ex(context_->evp, hash.data(), &size);
  context_->start();
  return Digest::from_bytes(context_->algorithm, {hash.data(), size}).value();
}

Digest sha256(std::span<const std::uint8_t> data) {
  Hasher hasher;
  hasher.update(data);
  return hasher.finish();
}

}  // namespace samara::cache_index
