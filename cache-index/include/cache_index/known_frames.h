#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/digest.h"
#include "base/file.h"
#include "cache_index/index_reader.h"

namespace samara::cache_index {

/// Frames that converted layers on this machine have already: a chunk that comes again is copied, not compressed again.
///
/// Blobs must be the same bytes on every machine, whatever each had before. A frame depends on its chunk, zstd's
/// parameters and the release of libzstd alone, so only layers whose index names those of this program are taken: what
/// is copied is then what compressing would give. LayerWriter proves each copied frame as it proves its own, and
/// compresses when it doesn't hold the chunk; so what is on disk need not be trusted.
/// Memory: about 110 bytes a chunk; kMaxChunks and kMaxLayers bound it, what comes beyond them is not taken.
/// Threads: add() before find(); find() from any.
class KnownFrames {
 public:
  static constexpr std::size_t kMaxChunks = 1u << 17, kMaxLayers = 256;

  bool is_full() const { return blobs_.size() >= kMaxLayers || places_.size() >= kMaxChunks; }
  /// Takes a layer's frames. False: not taken, for its frames are made otherwise, or there is no room.
  bool add(const IndexReader& index, Fd blob);
  /// The frame of this content; nullopt when there is none, or it can't be read.
  std::optional<std::string> find(const Digest& chunk) const;

 private:
  struct Place {
    std::uint32_t blob = 0;  // in blobs_
    std::uint32_t size = 0;
    std::uint64_t offset = 0;
  };
  std::vector<Fd> blobs_;
  std::unordered_map<Digest, Place> places_;
};

}  // namespace samara::cache_index
