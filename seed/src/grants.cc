#include "seed/grants.h"

#include <sys/random.h>

#include <charconv>

#include "base/file.h"
#include "base/text.h"
#include "cache_index/hasher.h"

namespace samara::seed {
namespace {

constexpr std::size_t kBlock = 64;  // of SHA-256

std::string padded(std::string_view key, char with) {
  std::string block(kBlock, with);
  for (std::size_t i = 0; i < key.size(); ++i) block[i] = static_cast<char>(block[i] ^ key[i]);
  return block;
}

std::string_view text_of(const Digest& digest) { return as_text(digest.bytes()); }

/// Takes as long for a wrong token as for a right one.
bool same(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  return difference == 0;
}

}  // namespace

Digest hmac(std::string_view key, std::string_view message) {
  const Digest hashed = cache_index::sha256(as_bytes(key));
  if (key.size() > kBlock) key = text_of(hashed);
  const Digest inner = cache_index::sha256(as_bytes(str_cat(padded(key, 0x36), message)));
  return cache_index::sha256(as_bytes(str_cat(padded(key, 0x5c), text_of(inner))));
}

Grants::Grants(std::string secret, const Clock& clock, std::chrono::seconds lifetime)
    : secret_(std::move(secret)), clock_(clock), lifetime_(lifetime) {}

std::string Grants::random_secret() {
  std::string secret(32, '\0');
  // 256 bytes or less come whole once the kernel's generator has started, which it has before any daemon does.
  while (::getrandom(secret.data(), secret.size(), 0) != static_cast<ssize_t>(secret.size())) {
  }
  return secret;
}

std::string Grants::sign(std::int64_t until, std::string_view swarm, std::string_view node) const {
  return hmac(secret_, str_cat(until, "\n", node, "\n", swarm)).hex();
}

std::string Grants::issue(std::string_view swarm, std::string_view node) const {
  const auto now = std::chrono::duration_cast<std::chrono::seconds>(clock_.wall_now().time_since_epoch());
  const std::int64_t until = (now + lifetime_).count();
  return str_cat(until, ".", sign(until, swarm, node));
}

absl::Status Grants::check(std::string_view token, std::string_view swarm, std::string_view node) const {
  const std::size_t dot = token.find('.');
  std::int64_t until = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + std::min(dot, token.size()), until);
  if (dot == std::string_view::npos || error != std::errc() || end != token.data() + dot ||
      !same(token.substr(dot + 1), sign(until, swarm, node))) {
    return absl::PermissionDeniedError("not a token of this site for this node and blob");
  }
  const auto now = std::chrono::duration_cast<std::chrono::seconds>(clock_.wall_now().time_since_epoch());
  if (now.count() > until) return absl::PermissionDeniedError("the token has run out");
  return absl::OkStatus();
}

}  // namespace samara::seed
