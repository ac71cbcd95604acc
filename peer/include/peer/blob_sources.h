#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "base/digest.h"

namespace samara::peer {

/// How many bytes of each blob came from where: "memory", "cache", or the name of a source.
///
/// Bounded: of more than `most` blobs, those go first of which nothing has come for longest.
/// Threads: any.
class BlobSources {
 public:
  using BySource = std::map<std::string, std::uint64_t, std::less<>>;

  explicit BlobSources(std::size_t most = 10'000) : most_(most) {}
  void add(const Digest& blob, std::string_view source, std::uint64_t bytes);
  std::map<Digest, BySource> all() const;

 private:
  struct Blob {
    BySource bytes;
    std::uint64_t last = 0;  // as `additions_` was
  };
  void forget_oldest();

  const std::size_t most_;
  mutable std::mutex mutex_;
  std::map<Digest, Blob> blobs_;
  std::uint64_t additions_ = 0;
};

}  // namespace samara::peer
