#include "checked_passage.h"

#include <algorithm>
#include <array>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "registry_proxy/fill.h"

namespace samara::registry_proxy {

CheckedPassage::CheckedPassage(const Digest& digest, std::uint64_t size, Give give)
    : digest_(digest),
      size_(size),
      passed_at_once_(size - std::min(size, Fill::kWithheld)),
      give_(std::move(give)),
      hasher_(digest.algorithm()) {}

absl::Status CheckedPassage::skip(int fd, std::uint64_t length) {
  std::array<std::uint8_t, 65536> piece;
  while (taken_ < length) {
    const auto part = std::span(piece).first(std::min<std::uint64_t>(piece.size(), length - taken_));
    SAMARA_RETURN_IF_ERROR(pread_all(fd, part, taken_));
    hasher_.update(part);
    taken_ += part.size();
  }
  return absl::OkStatus();
}

absl::Status CheckedPassage::take(std::span<const std::uint8_t> data) {
  hasher_.update(data);
  const std::uint64_t at_once = std::min<std::uint64_t>(data.size(), passed_at_once_ - std::min(taken_, passed_at_once_));
  taken_ += data.size();
  if (at_once > 0) SAMARA_RETURN_IF_ERROR(give_(data.first(at_once)));
  held_ += as_text(data.subspan(at_once));
  return taken_ < size_ ? absl::OkStatus() : conclude();
}

absl::Status CheckedPassage::conclude() {
  if (const Digest got = hasher_.finish(); got != digest_)
    return absl::DataLossError(str_cat("the registry's bytes have the digest ", got.to_string()));
  return give_(as_bytes(held_));
}

}  // namespace samara::registry_proxy
