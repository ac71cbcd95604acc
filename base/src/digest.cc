#include "base/digest.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/escaping.h"
#include "base/text.h"

namespace samara {
namespace {

absl::Status not_a_digest(std::string_view text) {
  // Bounded, since the text comes from outside and ends up in logs.
  return absl::InvalidArgumentError(
      str_cat("not a digest: ", absl::CHexEscape(to_absl(text.substr(0, 160)))));
}

}  // namespace

absl::StatusOr<Digest> Digest::parse(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return not_a_digest(text);
  const std::string_view name = text.substr(0, colon), hex = text.substr(colon + 1);
  Digest digest;
  if (name == "sha256") {
    digest.algorithm_ = Algorithm::kSha256;
  } else if (name == "sha512") {
    digest.algorithm_ = Algorithm::kSha512;
  } else {
    return not_a_digest(text);
  }
  const bool lower_hex =
      std::all_of(hex.begin(), hex.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  if (hex.size() != 2 * digest.size() || !lower_hex) return not_a_digest(text);
  const std::string raw = absl::HexStringToBytes(to_absl(hex));
  std::memcpy(digest.hash_.data(), raw.data(), raw.size());
  return digest;
}

absl::StatusOr<Digest> Digest::from_bytes(Algorithm algorithm, std::span<const std::uint8_t> hash) {
  Digest digest;
  digest.algorithm_ = algorithm;
  if (hash.size() != digest.size()) return absl::InvalidArgumentError(str_cat("digest of ", hash.size(), " bytes"));
  std::copy(hash.begin(), hash.end(), digest.hash_.begin());
  return digest;
}

Digest Digest::sha256(const std::array<std::uint8_t, 32>& hash) {
  Digest digest;
  std::copy(hash.begin(), hash.end(), digest.hash_.begin());
  return digest;
}

std::string Digest::hex() const {
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(hash_.data()), size()));
}

std::string Digest::to_string() const {
  
  return str_cat(algorithm_name(), ":", hex());
}

std::string Digest::key() const {
  std::string key(1, static_cast<char>(algorithm_));
  key.append(reinterpret_cast<const char*>(hash_.data()), size());
  return key;
}

absl::StatusOr<Digest> Digest::from_key(std::string_view key) {
  if (key.empty() || key[0] < 0 || key[0] > 1) return absl::DataLossError("digest key of an unknown algorithm");
  return from_bytes(static_cast<Algorithm>(key[0]),
                    {reinterpret_cast<const std::uint8_t*>(key.data()) + 1, key.size() - 1});
}

}  // namespace samara

std::size_t std::hash<samara::Digest>::operator()(const samara::Digest& digest) const noexcept {
  std::size_t value;  // a cryptographic hash: any of its bytes will do
  std::memcpy(&value, digest.bytes().data(), sizeof value);
  return value;
}
